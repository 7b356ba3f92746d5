import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runConformance, type RunOptions } from '../../certificate-conformance/conformance-run.ts';
import { HANDED_OVER } from '../../certificate-conformance/folder/prepared-folder.ts';
import type { Result } from '../../certificate-conformance/rules.ts';
import type { Target } from '../../certificate-conformance/target/target.ts';
import { systemClock } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import { authorizeBy } from './authorize.ts';
import type { ConformanceFlags } from './conformance-flags.ts';
import { junitXml } from './junit.ts';
import { countsOf, resultJson, ruleLines, summaryLine } from './result-text.ts';

/** Runs the plan and prints its results. True when a rule was tried and none has failed. */
export async function runAndPrint(flags: ConformanceFlags): Promise<boolean> {
  const at = systemClock.now();
  const options = flags.sandbox === undefined ? targetOf(flags) : await sandboxTarget(flags.sandbox);
  const isShown = flags.json !== true;
  const isTerminal = process.stdout.isTTY === true;
  const columns = isTerminal ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
  const report = (results: readonly Result[]) => {
    const lines = ruleLines(results, { isWhole: isTerminal, columns });
    if (isShown && lines.length > 0) console.log(lines.join('\n'));
  };
  const results = await runConformance({
    ...options,
    folder: flags.dir,
    tokenEndpoint: flags.tokenEndpoint,
    parEndpoint: flags.parEndpoint,
    timeoutSeconds: flags.timeout,
    clientIds: flags.client ?? {},
    parameters: flags.parameter ?? {},
    assertionAudience: flags.assertionAudience,
    revocationHost: flags.listen,
    begin: (target, { tester }) => {
      if (isShown && isTerminal) console.log(targetLines(target, tester.revocationUrl).join('\n'));
    },
    report,
  });
  const named = options.issuer ?? options.resource ?? flags.tokenEndpoint ?? '';
  if (flags.junit !== undefined) await writeFile(flags.junit, junitXml(results, { target: named, at }));
  if (isShown) {
    if (results.some(({ rule, outcome }) => rule.id === 'good' && outcome === 'failed')) {
      console.log(
        `\nThe good certificate is refused: has the server what ${join(flags.dir, HANDED_OVER)} asks for?`,
      );
    }
    console.log(summaryLine(results, named));
  } else console.log(JSON.stringify(resultJson(results, { target: named, at }), undefined, 2));
  const { failed, passed } = countsOf(results);
  return failed === 0 && passed > 0;
}

/** The addresses to which the plan sends, and its own. */
function targetLines(target: Target, revocationUrl: string): readonly string[] {
  const rows = [
    ['issuer', target.issuer],
    ['token endpoint', target.tokenEndpoint?.href],
    ['PAR', target.parEndpoint?.href],
    ['API', target.resource?.href],
    ['CRLs and OCSP', `${revocationUrl}, served here`],
  ] as const;
  const lines = rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(16)}${value}`]));
  return [...lines, ''];
}

type TargetPart = Pick<RunOptions, 'issuer' | 'resource' | 'caFile' | 'authorize'>;

function targetOf({ issuer, resource, ca, authorize }: ConformanceFlags): TargetPart {
  return {
    issuer,
    resource,
    caFile: ca,
    authorize: authorize === undefined ? undefined : authorizeBy(authorize),
  };
}

/** A running sandbox that was started with --tester: its addresses, its CA, and its first customer. */
async function sandboxTarget(folder: string): Promise<TargetPart> {
  const [{ readDescription }, { walkPages }] = await Promise.all([
    import('../../sandbox/folder.ts'),
    import('../../sandbox/demo/demo-browser.ts'),
  ]);
  const description = await readDescription(folder);
  const [customer] = description?.customers ?? [];
  if (description === undefined || customer === undefined) {
    throw invalidConfig(folder, [{ path: '--sandbox', message: 'there is no sandbox in this folder' }]);
  }
  const { issuer, resourceUrl, caFile } = description;
  return {
    issuer,
    resource: `${resourceUrl}/accounts`,
    caFile,
    authorize: (url) => walkPages(url, { caFile, answer: { decision: 'allow', ...customer } }),
  };
}

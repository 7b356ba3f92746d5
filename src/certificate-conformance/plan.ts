import { runApiRules, runConsentRules } from './binding-rules.ts';
import { type PlanOptions, PlanRun } from './plan-run.ts';
import { runRevocationRule } from './revocation-rule.ts';
import { BROKEN_RULES, type Result, RULE } from './rules.ts';

/**
 * Tries every rule in every way that the target has. The good certificate comes first: where it is not accepted, a
 * refusal of another certificate proves nothing, and nothing more is tried.
 */
export async function runPlan(options: PlanOptions): Promise<readonly Result[]> {
  const run = new PlanRun(options);
  const { prepared, target } = options.requests;
  await run.openDoors(await prepared.good('tls'));
  await run.everywhere(RULE.noCertificate, () => ({ presented: undefined }));
  const renewed = await prepared.renewed('tls');
  await run.everywhere(RULE.renewed, () => ({ presented: renewed }));
  const other = await prepared.good('other');
  await run.everywhere(RULE.otherTpp, ({ way }) => (way === 'api' ? undefined : { presented: other }));
  const withdrawn = await prepared.good('withdrawn');
  await run.everywhere(RULE.withdrawn, ({ way }) =>
    way === 'token tls_client_auth' || way === 'par tls_client_auth'
      ? { presented: withdrawn, client: 'withdrawn' as const }
      : undefined,
  );
  for (const rule of BROKEN_RULES) {
    const presented = await prepared.broken(rule.id);
    await run.everywhere(rule, ({ way, success }) => {
      if (way === 'api' && rule.level !== 'tls') return 'a TLS terminator does not read QCStatements';
      // Pushing grants nothing: some servers judge the role at the token.
      if (rule.id === 'wrong-role' && success === 'request_uri') return undefined;
      return { presented };
    });
  }
  await runRevocationRule(run, options.fresh);
  if (target.tokenEndpoint !== undefined) {
    const consented = await runConsentRules(run, options.authorize);
    await runApiRules(run, consented);
  }
  const good = await prepared.good('tls');
  await run.everywhere(RULE.goodAgain, () => ({ presented: good }));
  return run.results;
}

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { failureLines } from '../src/cli/failure.ts';
import { exitCodeOf } from '../src/cli/process.ts';
import { systemClock } from '../src/clock.ts';
import { type CommandOptions, parseCommand, USAGE } from './command-options.ts';
import { ConformanceRun, uselessChoices } from './conformance-run.ts';
import {
  type CombinationEndings,
  type Expectation,
  expectationsFor,
  findSurprise,
  parseExpectations,
  surprisesOf,
} from './expectations.ts';
import { junitOf } from './junit.ts';
import { withResults } from './results-page.ts';
import { type ServerUnderTest, startServerUnderTest } from './server-under-test.ts';
import { certificateOfLocalSuite, Suite, SuiteError } from './suite.ts';

/** A module takes a second or more. */
const POLL_SECONDS = 0.4;
const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** Exit codes: every ending expected · one not · wrong usage · suite or sandbox not available. */
type ExitCode = 0 | 1 | 2 | 3;

/** `npm run conformance`: starts the server, runs the plans, compares, writes the page and the JUnit file. */
export async function conformanceCommand(words: readonly string[]): Promise<ExitCode> {
  if (words.includes('--help')) {
    console.log(USAGE);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));
  }
  try {
    return await runCommand(parseCommand(words), stop.signal);
  } catch (error) {
    if (error instanceof SuiteError) console.error(error.message);
    else console.error(failureLines(error).join('\n'));
    return exitCodeOf(error) === 2 ? 2 : 3;
  }
}

async function runCommand(options: CommandOptions, signal: AbortSignal): Promise<ExitCode> {
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true });
  const everything = parseExpectations(await readFile(options.expectedFile, 'utf8'), options.expectedFile);
  const suiteCertificateFile = await suiteCertificate(options, folder);
  const suite = options.isServing ? undefined : await openSuite(options, suiteCertificateFile);
  // Before the server starts: its code is that of now.
  const commit = options.page === undefined ? '' : await currentCommit();
  const server = await startServerUnderTest({ ...options, folder, suiteCertificateFile });
  try {
    console.log(`the server is at ${server.description.issuer}, its log in ${folder}/sandbox`);
    if (suite === undefined) return await serve(server, { ...options, folder, signal });
    const { suiteVersion } = suite;
    console.log(`suite ${suiteVersion} at ${options.suite.origin}`);
    const expected = expectationsFor(everything, options.keyAlgorithm);
    const run = new ConformanceRun({
      ...options,
      suite: suite.suite,
      expected,
      folder,
      pollSeconds: POLL_SECONDS,
      configurationOf: (combination) => server.configurationOf(combination),
      report: (line) => console.log(line),
      signal,
    });
    const all = await run.run(options.combinations, options.atOnce);
    const junit = junitOf(all, (combination, ending) => findSurprise(combination, ending, expected));
    await writeFile(join(folder, 'junit.xml'), junit);
    await writePage(options.page, all, { commit, suiteVersion, expected: everything });
    const surprises = [...surprisesOf(all, expected), ...uselessChoices(all, options.modules)];
    reportSurprises(all, surprises);
    return surprises.length > 0 || signal.aborted ? 1 : 0;
  } finally {
    await server.close();
  }
}

/** The file with the certificate that the suite is known by; undefined where the system knows it. */
async function suiteCertificate(
  { suite, suiteCaFile, isServing }: CommandOptions,
  folder: string,
): Promise<string | undefined> {
  if (suiteCaFile !== undefined) return resolve(suiteCaFile);
  const pem = isServing ? undefined : await certificateOfLocalSuite(suite);
  if (pem === undefined) return undefined;
  const file = join(folder, 'suite.pem');
  await writeFile(file, pem);
  return file;
}

/** @throws SuiteError when no suite answers */
async function openSuite({ suite: address, token }: CommandOptions, certificateFile: string | undefined) {
  const caPem = certificateFile === undefined ? undefined : await readFile(certificateFile, 'utf8');
  const suite = new Suite(address, { caPem, token });
  return { suite, suiteVersion: await suite.version() };
}

/** Writes the configurations of the combinations, and leaves the server to a person with a browser. */
async function serve(
  server: ServerUnderTest,
  {
    combinations,
    folder,
    signal,
  }: Pick<CommandOptions, 'combinations' | 'folder'> & { readonly signal: AbortSignal },
): Promise<ExitCode> {
  for (const combination of combinations) {
    const { name, plan, variant } = combination;
    const file = join(folder, `${name}.configuration.json`);
    const configuration = await server.configurationOf(combination);
    await writeFile(file, `${JSON.stringify(configuration, undefined, 1)}\n`, { mode: 0o600 });
    console.log(`${file}: ${plan} ${JSON.stringify(variant)}`);
  }
  console.log('Stop with Ctrl+C.');
  if (!signal.aborted) await once(signal, 'abort');
  return 0;
}

async function writePage(
  page: string | undefined,
  all: readonly CombinationEndings[],
  facts: {
    readonly commit: string;
    readonly suiteVersion: string;
    readonly expected: readonly Expectation[];
  },
): Promise<void> {
  if (page === undefined || !all.some(({ isWhole }) => isWhole)) return;
  const date = systemClock.now().toISOString().slice(0, 10);
  await writeFile(page, withResults(await readFile(page, 'utf8'), all, { ...facts, date }));
}

/** The commit of the work tree; with a plus sign when files differ from it. */
async function currentCommit(): Promise<string> {
  const git = (...words: string[]) => promisify(execFile)('git', words, { cwd: ROOT });
  const { stdout: commit } = await git('rev-parse', '--short=10', 'HEAD');
  const { stdout: changes } = await git('status', '--porcelain', '--', ':!docs/conformance.md');
  return commit.trim() + (changes.trim() === '' ? '' : '+');
}

function reportSurprises(all: readonly CombinationEndings[], surprises: readonly string[]): void {
  const modules = all.reduce((sum, { endings }) => sum + endings.length, 0);
  console.log(`${all.length} combinations, ${modules} modules, ${surprises.length} not as expected`);
  for (const line of surprises) console.log(`  ${line}`);
}

import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { failureLines } from '../src/cli/failure.ts';
import { exitCodeOf } from '../src/cli/process.ts';
import { systemClock } from '../src/clock.ts';
import { type CommandOptions, parseCommand, USAGE } from './command-options.ts';
import { ConformanceRun } from './conformance-run.ts';
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
import { startServerUnderTest } from './server-under-test.ts';
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
  const expected = expectationsFor(everything, options.keyAlgorithm);
  const caPem =
    options.suiteCaFile === undefined
      ? await certificateOfLocalSuite(options.suite)
      : await readFile(options.suiteCaFile, 'utf8');
  const suite = new Suite(options.suite, { caPem, token: options.token });
  const suiteVersion = await suite.version();
  const server = await startServerUnderTest({ ...options, folder });
  try {
    console.log(`suite ${suiteVersion} at ${options.suite.origin}, server at ${server.description.issuer}`);
    const run = new ConformanceRun({
      ...options,
      suite,
      expected,
      folder,
      pollSeconds: POLL_SECONDS,
      configurationOf: (combination) => server.configurationOf(combination),
      report: (line) => console.log(line),
      signal,
    });
    const all = await run.run(options.combinations, options.atOnce);
    await writeResults(all, { ...options, folder, everything, suiteVersion });
    const surprises = surprisesOf(all, expected);
    reportSurprises(all, surprises);
    return surprises.length > 0 || signal.aborted ? 1 : 0;
  } finally {
    await server.close();
  }
}

async function writeResults(
  all: readonly CombinationEndings[],
  options: Pick<CommandOptions, 'folder' | 'page' | 'keyAlgorithm'> & {
    readonly everything: readonly Expectation[];
    readonly suiteVersion: string;
  },
): Promise<void> {
  const { everything, page, suiteVersion } = options;
  const expected = expectationsFor(everything, options.keyAlgorithm);
  const junit = junitOf(all, (combination, ending) => findSurprise(combination, ending, expected));
  await writeFile(join(options.folder, 'junit.xml'), junit);
  if (page === undefined || !all.some(({ isWhole }) => isWhole)) return;
  const date = systemClock.now().toISOString().slice(0, 10);
  const facts = { commit: await currentCommit(), date, suiteVersion, expected: everything };
  await writeFile(page, withResults(await readFile(page, 'utf8'), all, facts));
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

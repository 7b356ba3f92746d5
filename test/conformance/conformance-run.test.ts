import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chosenCombinations } from '../../conformance/combinations.ts';
import {
  ConformanceRun,
  type ConformanceRunOptions,
  uselessChoices,
} from '../../conformance/conformance-run.ts';
import { certificateOfLocalSuite, Suite } from '../../conformance/suite.ts';
import { startStubSuite, type StubSuite } from './stub-suite.ts';

const warning = { result: 'WARNING', src: 'Condition', msg: 'is odd', requirements: ['RFC1'] };
const MODULES = [
  { name: 'plan-good', result: 'PASSED', log: [{ result: 'SUCCESS', src: 'Good' }] },
  { name: 'plan-odd', result: 'WARNING', log: [warning] },
  { name: 'plan-last', result: 'PASSED' },
];

let folder: string;
let stub: StubSuite | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-conformance-'));
});
afterEach(async () => {
  await stub?.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(
  names: readonly string[],
  modules = MODULES as Parameters<typeof startStubSuite>[0],
  {
    failsAt = 'none',
    atOnce = 1,
    ...options
  }: Partial<ConformanceRunOptions> & { readonly failsAt?: string; readonly atOnce?: number } = {},
) {
  stub = await startStubSuite(modules, { failsAt });
  const lines: string[] = [];
  const run = new ConformanceRun({
    suite: new Suite(stub.url, { caPem: await certificateOfLocalSuite(stub.url) }),
    configurationOf: async ({ name }) => ({ alias: name }),
    expected: [],
    modules: [],
    stuckSeconds: 60,
    pollSeconds: 0.01,
    keepsGoing: true,
    folder,
    report: (line) => lines.push(line),
    isVerbose: false,
    signal: new AbortController().signal,
    ...options,
  });
  return { all: await run.run(chosenCombinations(names), atOnce), lines, calls: stub.calls, stub };
}

describe('a run of combinations', () => {
  it('makes a plan of the combination with its configuration, and runs its modules in their order', async () => {
    const { all, calls } = await run(['cc-mtls-mtls']);
    expect(all).toMatchObject([
      {
        combination: 'cc-mtls-mtls',
        isWhole: true,
        endings: [
          { module: 'plan-good', result: 'PASSED', remarks: [] },
          { module: 'plan-odd', result: 'WARNING', remarks: [{ condition: 'Condition', message: 'is odd' }] },
          { module: 'plan-last', result: 'PASSED' },
        ],
      },
    ]);
    const plan = calls.find(({ name }) => name === 'POST plan');
    expect(JSON.parse(plan?.body ?? '')).toEqual({ alias: 'cc-mtls-mtls' });
    expect(plan?.query.get('planName')).toBe('fapi2-security-profile-final-test-plan');
    expect(JSON.parse(plan?.query.get('variant') ?? '')).toMatchObject({
      client_auth_type: 'mtls',
      fapi_profile: 'fapi_client_credentials_grant',
    });
  });

  it('keeps the log of each module, and starts the modules that wait for a start', async () => {
    const { calls } = await run(['cc-mtls-mtls']);
    const kept = JSON.parse(await readFile(join(folder, 'cc-mtls-mtls', 'plan-odd.json'), 'utf8'));
    expect(kept.log).toEqual([warning]);
    expect(calls.filter(({ name }) => name === 'POST runner/')).toHaveLength(3);
  });

  it('runs chosen modules only, by the end of their name, and is then not whole', async () => {
    const { all } = await run(['cc-mtls-mtls'], MODULES, { modules: ['last', 'go*'] });
    expect(all[0]?.endings.map(({ module }) => module)).toEqual(['plan-good', 'plan-last']);
    expect(all[0]?.isWhole).toBe(false);
    expect(uselessChoices(all, ['last', 'go*', 'lost'])).toEqual(['no module that was run ends with lost']);
  });

  it('stops everything at the first module that ended as it should not, unless it keeps going', async () => {
    const { all, lines } = await run(['cc-*'], MODULES, { keepsGoing: false });
    expect(all).toHaveLength(1);
    expect(all[0]?.endings.map(({ module }) => module)).toEqual(['plan-good', 'plan-odd']);
    expect(all[0]?.isWhole).toBe(false);
    expect(lines.join('\n')).toMatch(/plan-odd: is not expected\n {4}WARNING Condition: is odd RFC1/);
  });

  it('does not stop at a module that ended as expected', async () => {
    const expected = [
      { combinations: '*', modules: '*-odd', result: 'WARNING', conditions: ['Condition'], because: 'test' },
    ] as const;
    const { all } = await run(['cc-mtls-*'], MODULES, { keepsGoing: false, expected });
    expect(all.map(({ isWhole }) => isWhole)).toEqual([true, true]);
  });

  it('runs as many combinations at a time as asked for, and returns them in their order', async () => {
    const { all, stub } = await run(['cc-*'], MODULES, { atOnce: 2 });
    expect(stub.mostAtOnce()).toBe(2);
    expect(all.map(({ combination }) => combination)).toEqual([
      'cc-mtls-mtls',
      'cc-mtls-dpop',
      'cc-jwt-mtls',
      'cc-jwt-dpop',
    ]);
  });

  it('reports a plan that the suite refuses, and goes on with the next', async () => {
    const { all } = await run(['cc-mtls-*'], MODULES, { failsAt: 'POST plan' });
    expect(all).toHaveLength(2);
    for (const one of all) {
      expect(one).toMatchObject({ isWhole: false, endings: [] });
      expect(one.problem).toMatch(/POST .*\/api\/plan: 500 no certification profile allows it/);
    }
  });

  it('gives up a module in which nothing moves, and cancels it', async () => {
    const { all, calls } = await run(['cc-mtls-mtls'], [{ name: 'stuck', result: null }], {
      stuckSeconds: 0.2,
    });
    expect(all[0]?.endings).toMatchObject([{ module: 'stuck', result: 'GIVEN UP' }]);
    expect(calls.some(({ name }) => name === 'DELETE runner')).toBe(true);
  });

  it('cancels the module in flight when it is broken off', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('ended by SIGINT')), 300);
    const { all, calls } = await run(['cc-*'], [{ name: 'stuck', result: null }], { signal: stop.signal });
    expect(all).toHaveLength(1);
    expect(all[0]?.problem).toBeDefined();
    expect(calls.some(({ name }) => name === 'DELETE runner')).toBe(true);
  });
});

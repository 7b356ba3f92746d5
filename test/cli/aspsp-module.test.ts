import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAspsp } from '../../src/cli/aspsp-module.ts';

const BANK = `{ name: 'Bank', answerAuthentication: async () => {}, listAccounts: async () => [] }`;

describe("the bank's module", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tallystick-module-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const load = async (name: string, text: string) => {
    const file = join(folder, `${name}.mjs`);
    await writeFile(file, text);
    return loadAspsp({ aspspModule: file, bankApp: undefined }, { source: 'test', seconds: 0.3 });
  };

  it('makes the bank', async () => {
    expect(await load('whole', `export const createAspsp = async () => (${BANK});`)).toMatchObject({
      name: 'Bank',
    });
  });

  it.each([
    [
      'never ready',
      'export const createAspsp = () => new Promise(() => {});',
      'is not ready after 0.3 seconds',
    ],
    [
      'never loaded',
      'await new Promise(() => {}); export const createAspsp = 1;',
      'is not ready after 0.3 seconds',
    ],
    ['throwing', `export const createAspsp = () => { throw new Error('core'); };`, 'createAspsp throws'],
    [
      'rejecting',
      `export const createAspsp = async () => { throw new Error('core'); };`,
      'createAspsp throws',
    ],
    ['of no bank', 'export const createAspsp = () => undefined;', 'must answer with name'],
    [
      'asking in part',
      `export const createAspsp = () => ({ ...(${BANK}), decoupled: { connect: () => {} } });`,
      'decoupled must have connect, findCustomer and startApproval',
    ],
    [
      'of a number as name',
      `export const createAspsp = () => ({ ...(${BANK}), name: 1 });`,
      'must answer with name',
    ],
    [
      'with an object as optional function',
      `export const createAspsp = () => ({ ...(${BANK}), beginAuthentication: {} });`,
      'beginAuthentication and findClaims must be functions',
    ],
    [
      'strong without factors',
      `export const createAspsp = () => ({ ...(${BANK}), strong: { connect: () => {} } });`,
      'strong must have findFactors',
    ],
    [
      'strong with a text as function',
      `export const createAspsp = () => ({ ...(${BANK}), strong: { findFactors: () => {}, askInApp: 'x' } });`,
      'strong must have findFactors; connect',
    ],
    ['without the function', 'export const aspsp = 1;', 'does not export a function createAspsp'],
    ['not a module', 'export const = 1;', 'cannot be loaded'],
  ])('ends the start with one readable problem when it is %s', async (name, text, message) => {
    await expect(load(name.replaceAll(' ', '-'), text)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: { problems: [{ path: 'aspspModule', message: expect.stringContaining(message) }] },
    });
  });
});

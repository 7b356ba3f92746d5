import { expect, it } from 'vitest';
import { OpenBankingError } from '../../src/errors.ts';
import type { ProvedNationalList, ProvingTask } from '../../src/trusted-lists/proving.ts';
import type { ProvingThread } from '../../src/trusted-lists/proving-thread.ts';
import { RememberedProofs } from '../../src/trusted-lists/remembered-proofs.ts';

type Prover = Pick<ProvingThread, 'prove'>;

const LIST = { source: 'https://lists.example/DE.xml', bytes: Buffer.from('a list') };
const POINTER = { territory: 'DE', signers: [Buffer.from('a'), Buffer.from('b')] };
const NATIONAL: ProvingTask = { kind: 'national-list', file: LIST, pointer: POINTER };
const LOTL: ProvingTask = {
  kind: 'list-of-lists',
  file: LIST,
  officialJournal: [Buffer.from('oj')],
  pivots: [],
};
const FACTS: ProvedNationalList = {
  territory: 'DE',
  sequenceNumber: 1,
  issuedAt: new Date(0),
  digest: '',
  issuers: [],
};

/** A prover that counts, and whose next proofs can fail. */
function counted() {
  const asked: ProvingTask[] = [];
  let refusal: Error | undefined;
  const prove = async (task: ProvingTask) => {
    asked.push(task);
    if (refusal !== undefined) throw refusal;
    return FACTS;
  };
  const fail = (error: Error | undefined) => {
    refusal = error;
  };
  return { asked, fail, prover: { prove } as Prover };
}

it('proves a list once while it, its signers and its pivots stay the same', async () => {
  const proofs = new RememberedProofs();
  const { asked, prover } = counted();
  for (let turn = 0; turn < 3; turn += 1) {
    await proofs.during(prover, async ({ prove }) => {
      expect(await prove(NATIONAL)).toBe(FACTS);
      await prove(LOTL);
    });
  }
  expect(asked).toEqual([NATIONAL, LOTL]);
});

it.each<[changed: string, before: ProvingTask, after: ProvingTask]>([
  ['the list', NATIONAL, { ...NATIONAL, file: { ...LIST, bytes: Buffer.from('another') } }],
  ['its territory', NATIONAL, { ...NATIONAL, pointer: { ...POINTER, territory: 'AT' } }],
  ['a signer', NATIONAL, { ...NATIONAL, pointer: { ...POINTER, signers: [Buffer.from('a')] } }],
  ['where one signer ends', NATIONAL, { ...NATIONAL, pointer: { ...POINTER, signers: [Buffer.from('ab')] } }],
  ['the Official Journal', LOTL, { ...LOTL, officialJournal: [Buffer.from('other')] }],
  ['a pivot', LOTL, { ...LOTL, pivots: [LIST] }],
  [
    'a pivot in place of a signer',
    LOTL,
    { ...LOTL, officialJournal: [], pivots: [{ source: '', bytes: Buffer.from('oj') }] },
  ],
  ['the kind', LOTL, NATIONAL],
])('proves again when %s changes', async (_changed, before, after) => {
  const proofs = new RememberedProofs();
  const { asked, prover } = counted();
  for (const task of [before, after]) await proofs.during(prover, ({ prove }) => prove(task));
  expect(asked).toEqual([before, after]);
});

it('remembers no refusal, and no proof that the last turn did not need', async () => {
  const proofs = new RememberedProofs();
  const { asked, fail, prover } = counted();
  const turn = (...tasks: readonly ProvingTask[]) =>
    proofs.during(prover, async ({ prove }) => {
      for (const task of tasks) await prove(task);
    });
  fail(new OpenBankingError('ERR_TRUSTED_LIST_SIGNATURE', { source: '', problem: '' }));
  await expect(turn(NATIONAL)).rejects.toMatchObject({ code: 'ERR_TRUSTED_LIST_SIGNATURE' });
  fail(undefined);
  await turn(NATIONAL);
  await turn(LOTL);
  await turn(NATIONAL);
  expect(asked).toEqual([NATIONAL, NATIONAL, LOTL, NATIONAL]);
});

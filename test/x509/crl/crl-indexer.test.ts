import { afterAll, describe, expect, it } from 'vitest';
import { crlStatus } from '../../../src/x509/crl/crl.ts';
import { CrlIndexer } from '../../../src/x509/crl/crl-indexer.ts';
import { issue, NOW } from '../certificate-factory.ts';
import { entry, writeCrl } from './crl-factory.ts';
import { issuer, leaf, serialOf } from './crl-question.ts';

const inWorker = new CrlIndexer({ maxInlineBytes: 0 });
const inline = new CrlIndexer();
afterAll(async () => {
  await inWorker.close();
  await inline.close();
});

const others = Array.from({ length: 2000 }, (_one, index) => (0x10_0000 + index * 7).toString(16));
const entries = [...others.map((serial) => entry({ serial })), entry({ serial: serialOf(leaf), reason: 4 })];
const bytes = writeCrl({ issuer, entries });
const signers = [issuer.certificate];

describe.each([
  ['in a worker', inWorker],
  ['in this thread', inline],
])('a list indexed %s', (_where, indexer) => {
  it('F10: answers as it should, and its bytes stay the caller’s', async () => {
    const list = await indexer.index(bytes, signers);
    expect(list.count).toBe(2001);
    const ask = (certificate = leaf.certificate, by = issuer.certificate) =>
      crlStatus(certificate, { issuer: by, crls: [list], at: NOW });
    expect(ask()).toMatchObject({ status: 'revoked', reason: 'superseded' });
    expect(ask(issue('end entity', 'tpp', { issuer }).certificate)).toMatchObject({ status: 'good' });
    expect(ask(leaf.certificate, issue('authority', 'issuing').certificate)).toMatchObject({
      status: 'unknown',
    });
    expect(bytes.length).toBeGreaterThan(0);
  });

  it('F5, F10: is refused in the same words', async () => {
    await expect(indexer.index(bytes, [issue('authority', 'issuing').certificate])).rejects.toMatchObject({
      code: 'ERR_CRL_UNTRUSTED',
      details: { problem: 'its signature does not verify' },
    });
    await expect(indexer.index(bytes.subarray(1), signers)).rejects.toMatchObject({
      code: 'ERR_CRL_MALFORMED',
    });
  });
});

it('F10: lists that come at once are all indexed', async () => {
  const all = await Promise.all([1, 2, 3].map(() => inWorker.index(bytes, signers)));
  expect(all.map(({ count }) => count)).toEqual([2001, 2001, 2001]);
});

it('a closed indexer indexes nothing more, and closing ends what is under way', async () => {
  const indexer = new CrlIndexer({ maxInlineBytes: 0 });
  const underWay = expect(indexer.index(bytes, signers)).rejects.toThrow('closed');
  await indexer.close();
  await underWay;
  await expect(indexer.index(bytes, signers)).rejects.toThrow('closed');
});

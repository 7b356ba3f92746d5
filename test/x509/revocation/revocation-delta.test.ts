import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { general, type Party } from '../certificate-factory.ts';
import { type Chain, chainOf, crlAt } from '../checked-path.ts';
import * as lists from '../crl/crl-factory.ts';
import { entry, point, writeCrl } from '../crl/crl-factory.ts';
import * as der from '../der-writer.ts';
import type { ResponderFarm } from './responder-farm.ts';
import { RevocationLab } from './revocation-lab.ts';

let lab: RevocationLab;
let farm: ResponderFarm;

beforeEach(async () => {
  lab = await new RevocationLab().open();
  farm = lab.farm;
});
afterEach(() => lab.close());

const freshestAt = (path: string): Buffer =>
  lists.freshest(der.sequence(point.fullName(general.uri(farm.url(path)))));

/** A chain by CRL whose TPP certificate has these extensions as well. */
function deltaChain(...extra: Buffer[]): Chain {
  const chain = chainOf({
    tpp: [crlAt(farm.url('/tpp.crl')), ...extra],
    issuing: [crlAt(farm.url('/issuing.crl'))],
  });
  farm.serve('/tpp.crl', () => writeCrl({ issuer: chain.issuing }));
  farm.serve('/issuing.crl', () => writeCrl({ issuer: chain.root }));
  return chain;
}

function delta(issuer: Party, ...revoked: Party[]): Buffer {
  return writeCrl({
    issuer,
    entries: revoked.map(({ certificate }) => entry({ serial: certificate.serialNumber, reason: 1 })),
    extensions: [...lists.keyAndNumber(issuer, 2), lists.deltaIndicator(1)],
  });
}

describe('F8 delta lists (RFC 5280 section 4.2.1.15, 5.2.6)', () => {
  it('are fetched where the certificate says, and what they revoke is revoked', async () => {
    const { path, issuing, tpp } = deltaChain(freshestAt('/delta.crl'));
    farm.serve('/delta.crl', () => delta(issuing));
    expect(await lab.desk().outcome(path)).toBe('accepted');
    farm.serve('/delta.crl', () => delta(issuing, tpp));
    expect(await lab.desk().outcome(path)).toMatch('ERR_CERT_REVOKED');
  });

  it('are fetched where the complete list says', async () => {
    const { path, issuing, tpp } = deltaChain();
    const extensions = () => [...lists.keyAndNumber(issuing, 1), freshestAt('/delta.crl')];
    farm.serve('/tpp.crl', () => writeCrl({ issuer: issuing, extensions: extensions() }));
    farm.serve('/delta.crl', () => delta(issuing, tpp));
    expect(await lab.desk().outcome(path)).toMatch('ERR_CERT_REVOKED');
    expect(farm.countOf('/delta.crl')).toBe(1);
  });

  it('that cannot be had leave the status unknown', async () => {
    const { path } = deltaChain(freshestAt('/delta.crl'));
    expect(await lab.desk().outcome(path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
  });

  it('by somebody else are bad evidence', async () => {
    const { path, root } = deltaChain(freshestAt('/delta.crl'));
    farm.serve('/delta.crl', () => delta(root));
    expect(await lab.desk().outcome(path)).toMatch('ERR_CERT_REVOCATION_INVALID');
  });

  it('are not asked for where the operator pinned the lists, and may be pinned among them', async () => {
    const { path, issuing } = deltaChain(freshestAt('/delta.crl'));
    farm.serve('/pinned.crl', () => delta(issuing));
    const pin = (...paths: string[]) => ({
      pins: [{ issuer: issuing.certificate, crlUrls: paths.map((at) => farm.url(at)) }],
    });
    expect(await lab.desk().outcome(path, pin('/tpp.crl'))).toMatch('ERR_CERT_REVOCATION_INVALID');
    expect(await lab.desk().outcome(path, pin('/tpp.crl', '/pinned.crl'))).toBe('accepted');
    expect(farm.countOf('/delta.crl')).toBe(0);
  });

  it('survive a restart with the complete list', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'deltas-'));
    const { path, issuing } = deltaChain(freshestAt('/delta.crl'));
    farm.serve('/delta.crl', () => delta(issuing));
    expect(await lab.desk({ folder }).outcome(path)).toBe('accepted');
    farm.fault = 'hang';
    expect(await lab.desk({ folder }).outcome(path, { budgetSeconds: 0.2 })).toBe('accepted');
    await rm(folder, { recursive: true });
  });
});

import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STRICT_REVOCATION } from '../../../src/x509/revocation/revocation.ts';
import * as factory from '../certificate-factory.ts';
import { issue } from '../certificate-factory.ts';
import {
  bothChain,
  chainOf,
  crlAt,
  crlChain,
  ocspAt,
  ocspChain,
  pathOf,
  revokedAnswer,
  serveOcsp,
} from '../checked-path.ts';
import * as der from '../der-writer.ts';
import { minutes } from '../ocsp/ocsp-factory.ts';
import { answerTo, crl, type ResponderFarm } from './responder-farm.ts';
import { type Desk, RevocationLab } from './revocation-lab.ts';

const POLL = { timeout: 5000, interval: 20 };
let lab: RevocationLab;
let farm: ResponderFarm;
let desk: Desk;

beforeEach(async () => {
  lab = await new RevocationLab().open();
  farm = lab.farm;
  desk = lab.desk();
});
afterEach(() => lab.close());

describe('F20 an address that a certificate names', () => {
  it.each([
    ['loopback', 'http://127.0.0.1:PORT/x'],
    ['localhost by name', 'http://localhost:PORT/x'],
    ['IPv4 in IPv6', 'http://[::ffff:127.0.0.1]:PORT/x'],
    ['a decimal address', 'http://2130706433:PORT/x'],
    ['an octal address', 'http://0177.0.0.1:PORT/x'],
    ['this host', 'http://0.0.0.0:PORT/x'],
    ['with credentials', 'http://user:secret@127.0.0.1:PORT/x'],
    ['cloud metadata', 'http://169.254.169.254/latest/meta-data'],
    ['a file', 'file:///etc/passwd'],
    ['a directory', 'ldap://127.0.0.1:PORT/cn=x'],
    ['gopher', 'gopher://127.0.0.1:PORT/_x'],
    ['no URL at all', 'http://'],
  ])('is not fetched when it is %s', async (_what, text) => {
    const canary = await lab.farmOf();
    const url = text.replace('PORT', canary.host.replace(/.*:/, ''));
    const chain = chainOf({ tpp: [ocspAt(url), crlAt(url)], issuing: [ocspAt(farm.url('/issuing'))] });
    farm.serveOcsp('/issuing', (asked) => answerTo(asked, chain.root));
    expect(await desk.outcome(chain.path)).toMatch(/^ERR_CERT_REVOCATION_(UNAVAILABLE|INVALID)/);
    expect(canary.hits).toEqual([]);
  });

  it('is fetched when it is on the list of private hosts, by host and port', async () => {
    const canary = await lab.farmOf();
    const chain = chainOf({ tpp: [ocspAt(canary.url('/tpp'))], issuing: [ocspAt(canary.url('/issuing'))] });
    serveOcsp(canary, chain);
    expect(await desk.outcome(chain.path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
    expect(await lab.desk({ privateHosts: [canary.host] }).outcome(chain.path)).toBe('accepted');
    expect(await lab.desk({ privateHosts: ['127.0.0.1'] }).outcome(chain.path)).toBe('accepted');
  });

  it('is not fetched when the policy lists other hosts', async () => {
    const { path } = bothChain(farm);
    expect(await desk.outcome(path, { hosts: ['ocsp.example'] })).toMatch(/UNAVAILABLE .*not listed/);
    expect(farm.hits).toEqual([]);
    expect(await lab.desk().outcome(path, { hosts: ['ocsp.example', farm.host] })).toBe('accepted');
  });

  it('gives way to the address that the operator pinned for the issuer', async () => {
    const chain = ocspChain(farm);
    const pinned = await lab.farmOf();
    serveOcsp(pinned, chain);
    pinned.serve('/tpp.crl', () => crl(chain.issuing));
    const options = { privateHosts: [farm.host, pinned.host] };
    const pins = [{ issuer: chain.issuing.certificate, ocspUrls: [pinned.url('/tpp')] }];
    expect(await lab.desk(options).outcome(chain.path, { pins })).toBe('accepted');
    expect([farm.hits, pinned.hits]).toEqual([['/issuing'], ['/tpp']]);
    const byCrl = [{ issuer: chain.issuing.certificate, ocspUrls: [], crlUrls: [pinned.url('/tpp.crl')] }];
    expect(await lab.desk(options).outcome(chain.path, { pins: byCrl })).toBe('accepted');
    expect(pinned.hits).toEqual(['/tpp', '/tpp.crl']);
  });
});

describe('F21 an unknown status that is accepted', () => {
  it('is logged and counted at each use, and only where the policy says so', async () => {
    const { path } = ocspChain(farm);
    farm.fault = 'error 500';
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
    for (const _use of [1, 2, 3]) {
      expect(await desk.outcome(path, { whenUnknown: 'accept-and-report' })).toBe('accepted');
    }
    expect(desk.logged.filter(({ event }) => event === 'revocation.unknown.accepted')).toHaveLength(3);
    expect(desk.events.filter((event) => event === 'unknown.accepted')).toHaveLength(3);
    expect(await desk.outcome(path)).toMatch('ERR_CERT_REVOCATION_UNAVAILABLE');
  });

  it('is not asked about where the policy checks nothing', async () => {
    expect(
      desk.revocation.check(ocspChain(farm).path, { ...STRICT_REVOCATION, mode: 'none' }),
    ).toBeUndefined();
    expect(farm.hits).toEqual([]);
  });
});

describe('F23 two authorities of one name', () => {
  it('revoke their own certificates only, also when these share a serial number', async () => {
    const serial = { raw: { serial: der.integer(0x4711) } };
    const [one, other] = [ocspChain(farm, serial), ocspChain(farm, serial)];
    expect(one.tpp.certificate.serialNumber).toBe(other.tpp.certificate.serialNumber);
    farm.serveOcsp('/tpp', (asked) => {
      const isOne = asked.certId.includes(factory.sha1(one.issuing.certificate.publicKeyOctets));
      return isOne ? revokedAnswer(asked, one.issuing) : answerTo(asked, other.issuing);
    });
    farm.serveOcsp('/issuing', (asked) => {
      const isOne = asked.certId.includes(factory.sha1(one.root.certificate.publicKeyOctets));
      return answerTo(asked, isOne ? one.root : other.root);
    });
    expect(await desk.outcome(one.path)).toMatch('ERR_CERT_REVOKED');
    expect(await desk.outcome(other.path)).toBe('accepted');
    expect(desk.revocation.isKnownRevoked(other.tpp.certificate)).toBe(false);
  });

  it('have lists of their own, also at one address', async () => {
    const [one, other] = [crlChain(farm), crlChain(farm)];
    expect(await desk.outcome(other.path)).toBe('accepted');
    expect(await desk.outcome(one.path)).toMatch('ERR_CERT_REVOCATION_INVALID');
    expect(await desk.outcome(other.path)).toBe('accepted');
  });

  it('a certificate that cannot be decided does not get in the way of another', async () => {
    const chain = ocspChain(farm);
    const bad = issue('end entity', 'bad', { issuer: chain.issuing, extra: [ocspAt(farm.url('/bad'))] });
    farm.serve('/bad', () => Buffer.alloc(1_000_000));
    expect(await desk.outcome(pathOf(bad, chain.issuing, chain.root))).toMatch('UNAVAILABLE');
    expect(await desk.outcome(chain.path)).toBe('accepted');
  });
});

describe('F26 a certificate without pointers', () => {
  const bare = () => chainOf({ tpp: [], issuing: [ocspAt(farm.url('/issuing'))] });
  it('is refused unless the policy accepts it', async () => {
    const chain = bare();
    farm.serveOcsp('/issuing', (asked) => answerTo(asked, chain.root));
    expect(await desk.outcome(chain.path)).toMatch(/^ERR_CERT_REVOCATION_INVALID .*does not say where/);
    expect(await lab.desk().outcome(chain.path, { withoutPointers: 'accept' })).toBe('accepted');
  });

  const lives = (hours: number) => ({ notBefore: minutes(-60), notAfter: minutes(hours * 60 - 60) });
  it.each([
    ['validity-assured (EN 319 412-1 cl. 5.2)', '0.4.0.194121.2.1'],
    ['noRevAvail (RFC 9608 §3)', '2.5.29.56'],
  ])('that is short-term, %s, is accepted only where the policy says so', async (_what, oid) => {
    const chainWith = (options: factory.IssueOptions) => {
      const chain = chainOf({ tpp: [], issuing: [ocspAt(farm.url('/issuing'))] }, options);
      farm.serveOcsp('/issuing', (asked) => answerTo(asked, chain.root));
      return chain.path;
    };
    const extra = [factory.extension(oid, der.nothing)];
    const policy = { shortTerm: 'accept' } as const;
    expect(await lab.desk().outcome(chainWith({ extra, ...lives(24) }), policy)).toBe('accepted');
    expect(await lab.desk().outcome(chainWith({ extra, ...lives(24) }))).toMatch('INVALID');
    expect(await lab.desk().outcome(chainWith({ extra, ...lives(24 * 8) }), policy)).toMatch('INVALID');
    expect(await lab.desk().outcome(chainWith(lives(24)), policy)).toMatch('INVALID');
  });

  it('is not excused by an authority that says that it is short-term', async () => {
    const short = [factory.extension('2.5.29.56', der.nothing)];
    const root = issue('authority', 'root');
    const issuing = issue('authority', 'issuing', { issuer: root, extra: short, ...lives(24) });
    const tpp = issue('end entity', 'tpp', { issuer: issuing, extra: [ocspAt(farm.url('/tpp'))] });
    farm.serveOcsp('/tpp', (asked) => answerTo(asked, issuing));
    expect(await desk.outcome(pathOf(tpp, issuing, root), { shortTerm: 'accept' })).toMatch('INVALID');
  });
});

describe('the last good answers', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'revocation-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it.each([
    ['OCSP answers', () => ocspChain(farm)],
    ['CRLs', () => crlChain(farm)],
  ])('survive a restart, which then needs no responder: %s', async (_what, chainAt) => {
    const { path } = chainAt();
    expect(await lab.desk({ folder }).outcome(path)).toBe('accepted');
    expect(await readdir(folder)).toHaveLength(2);
    farm.fault = 'hang';
    expect(await lab.desk({ folder }).outcome(path)).toBe('accepted');
    expect(await lab.desk().outcome(path, { budgetSeconds: 0.1 })).toMatch('UNAVAILABLE');
  });

  it('are asked for anew at once after a restart', async () => {
    const { path, issuing } = ocspChain(farm);
    await lab.desk({ folder }).outcome(path);
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    const restarted = lab.desk({ folder });
    expect(await restarted.outcome(path)).toBe('accepted');
    await expect.poll(() => restarted.outcome(path), POLL).toMatch('ERR_CERT_REVOKED');
  });

  it('keep a certificate revoked over a restart', async () => {
    const { path, issuing } = ocspChain(farm);
    farm.serveOcsp('/tpp', (asked) => revokedAnswer(asked, issuing));
    expect(await lab.desk({ folder }).outcome(path)).toMatch('ERR_CERT_REVOKED');
    farm.fault = 'hang';
    expect(await lab.desk({ folder }).outcome(path)).toMatch('ERR_CERT_REVOKED');
  });

  it('F24 keep a list from going back over a restart', async () => {
    const { path, issuing } = crlChain(farm);
    farm.serve('/tpp.crl', () => crl(issuing, { number: 7 }));
    expect(await lab.desk({ folder }).outcome(path)).toBe('accepted');
    farm.serve('/tpp.crl', () => crl(issuing, { number: 6 }));
    const restarted = lab.desk({ folder });
    expect(await restarted.outcome(path)).toBe('accepted');
    const events = () => restarted.logged.map(({ event }) => event);
    await expect.poll(events, POLL).toContain('revocation.crl.rollback');
  });

  it.each([
    ['changed', (bytes: Buffer) => bytes.with(-1, (bytes.at(-1) ?? 0) ^ 1)],
    ['cut short', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
  ])('are verified again when they are read: a file that is %s proves nothing', async (_what, spoil) => {
    for (const chain of [ocspChain(farm), crlChain(farm)]) {
      await lab.desk({ folder }).outcome(chain.path);
      for (const name of await readdir(folder)) {
        const bytes = await readFile(join(folder, name));
        await writeFile(join(folder, name), spoil(bytes));
      }
      farm.fault = 'error 500';
      expect(await lab.desk({ folder }).outcome(chain.path)).toMatch('UNAVAILABLE');
      farm.fault = undefined;
      expect(await lab.desk({ folder }).outcome(chain.path)).toBe('accepted');
    }
  });

  it('are stale when they are: a restart after their end asks', async () => {
    const { path } = ocspChain(farm);
    await lab.desk({ folder }).outcome(path);
    farm.fault = 'error 500';
    const restarted = lab.desk({ folder });
    restarted.pass(3601);
    expect(await restarted.outcome(path)).toMatch('UNAVAILABLE');
  });

  it('are removed when nobody wrote them for a month, and drafts that were left behind', async () => {
    const name = 'ab'.repeat(32);
    const files = {
      [`${name}.ocsp`]: 31 * 1440,
      [`${name}.crl`]: 60,
      [`${name}.crl.0123456789ab.new`]: 90,
      'notes.txt': 99_999,
    };
    for (const [file, age] of Object.entries(files)) {
      await writeFile(join(folder, file), 'x');
      await utimes(join(folder, file), minutes(-age), minutes(-age));
    }
    await writeFile(join(folder, `${name}.ocsp.0123456789ab.new`), 'x');
    await utimes(join(folder, `${name}.ocsp.0123456789ab.new`), minutes(0), minutes(0));
    lab.desk({ folder });
    const kept = [`${name}.crl`, `${name}.ocsp.0123456789ab.new`, 'notes.txt'];
    await expect.poll(async () => (await readdir(folder)).toSorted(), POLL).toEqual(kept);
  });

  it('cost nothing but themselves when the disk does not take them', async () => {
    const { path } = ocspChain(farm);
    const file = join(folder, 'in-the-way');
    await writeFile(file, '');
    const full = lab.desk({ folder: file });
    expect(await full.outcome(path)).toBe('accepted');
    expect(full.logged.map(({ event }) => event)).toContain('revocation.folder.failed');
  });
});

it('remembers a bounded number of certificates, and asks again about those that it forgot (threats.md N)', async () => {
  const { path, issuing, root } = ocspChain(farm);
  const small = lab.desk({ maxCertificates: 3 });
  await small.outcome(path);
  for (const name of ['a', 'b', 'c']) {
    const one = issue('end entity', name, { issuer: issuing, extra: [ocspAt(farm.url('/tpp'))] });
    expect(await small.outcome(pathOf(one, issuing, root))).toBe('accepted');
  }
  const before = farm.countOf('/tpp');
  expect(await small.outcome(path)).toBe('accepted');
  expect(farm.countOf('/tpp')).toBe(before + 1);
});

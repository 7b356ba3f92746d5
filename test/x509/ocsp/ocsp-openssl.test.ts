import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/events.ts';
import {
  type OcspOptions,
  ocspStatus,
  parseOcspResponse,
  writeOcspRequest,
} from '../../../src/x509/ocsp/ocsp.ts';
import { RevocationIo } from '../../../src/x509/revocation/revocation-io.ts';
import { freePort } from '../../free-port.ts';
import * as factory from '../certificate-factory.ts';
import { issue, type Party } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import * as ocsp from './ocsp-factory.ts';
import { outcomeOf } from '../refusals.ts';

// The command judges by the machine's clock, so everything here is made around the present.
const now = new Date(Math.floor(Date.now() / 1000) * 1000);
const after = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000);
const period = { notBefore: after(-48), notAfter: after(480) };
const isMissing = !/^OpenSSL 3\./.test(spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '');
const folder = mkdtempSync(join(tmpdir(), 'ocsp-'));
afterAll(() => rmSync(folder, { recursive: true }));

const root = issue('authority', 'root', period);
const issuer = issue('authority', 'issuing', { issuer: root, ...period });
const impostor = issue('authority', 'issuing', { issuer: root, ...period });
const leaf = (name: string) => issue('end entity', name, { issuer, ...period });
const [good, revoked, held, absent] = [leaf('good'), leaf('revoked'), leaf('held'), leaf('absent')];
const signing = [
  factory.extendedKeyUsage('1.3.6.1.5.5.7.3.9'),
  factory.extension('1.3.6.1.5.5.7.48.1.5', der.nothing),
];
const delegate = issue('end entity', 'responder', { issuer, extra: signing, ...period });
const noRight = issue('end entity', 'responder', { issuer, ...period });
const foreign = issue('end entity', 'responder', { issuer: root, extra: signing, ...period });

const at = (name: string): string => join(folder, name);
function write(name: string, content: Buffer | string): string {
  writeFileSync(at(name), content);
  return at(name);
}
const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')}\n-----END ${label}-----\n`;

function writeIndex(): void {
  const date = (value: Date) =>
    value
      .toISOString()
      .replace(/[-:T]|\.\d+/g, '')
      .slice(2);
  const line = (flag: string, when: string, { certificate }: Party) =>
    [flag, date(period.notAfter), when, certificate.serialNumber.toUpperCase(), 'unknown', '/CN=x'].join(
      '\t',
    );
  const lines = [
    line('V', '', good),
    line('R', `${date(after(-3))},keyCompromise`, revoked),
    line('R', `${date(after(-3))},certificateHold`, held),
  ];
  write('index.txt', `${lines.join('\n')}\n`);
}

beforeAll(() => {
  writeIndex();
  write('root.pem', pem('CERTIFICATE', root.der));
  for (const [name, party] of Object.entries({ issuer, delegate })) {
    write(`${name}.pem`, pem('CERTIFICATE', party.der));
    write(`${name}.key`, party.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  }
  write('good.pem', pem('CERTIFICATE', good.der));
});

const responder = (signer: string): string[] => [
  ...['ocsp', '-index', at('index.txt'), '-CA', at('issuer.pem')],
  ...['-rsigner', at(`${signer}.pem`), '-rkey', at(`${signer}.key`), '-rmd', 'sha256', '-ndays', '1'],
];

function judge(bytes: Buffer, party: Party, options: Partial<OcspOptions> = {}): string {
  const about = { certificate: party.certificate, issuer: issuer.certificate, at: now };
  const status = ocspStatus(parseOcspResponse(bytes), { ...about, ...options });
  return status.status === 'revoked' ? `revoked: ${status.reason}` : status.status;
}

describe.skipIf(isMissing)('a request that is answered by the openssl command', () => {
  const cases = [
    ['good', good, 'good'],
    ['revoked', revoked, 'revoked: keyCompromise'],
    ['on hold', held, 'revoked: certificateHold'],
    ['not in its index', absent, 'unknown'],
  ] as const;
  it.each(cases)('for a certificate that is %s is judged the same', (_what, party, expected) => {
    const pair = { certificate: party.certificate, issuer: issuer.certificate };
    for (const hash of ['sha1', 'sha256'] as const) {
      for (const signer of ['issuer', 'delegate']) {
        const nonce = Buffer.alloc(32, 9);
        const request = write('request.der', writeOcspRequest(pair, { hash, nonce }));
        const run = spawnSync('openssl', [
          ...responder(signer),
          '-reqin',
          request,
          '-respout',
          at('response.der'),
        ]);
        expect(run.status, String(run.stderr)).toBe(0);
        const bytes = readFileSync(at('response.der'));
        expect(judge(bytes, party, { nonce, policy: { nonce: 'required' } })).toBe(expected);
        expect(judge(bytes, party, { nonce: Buffer.alloc(32) })).toBe('unknown');
      }
    }
  });

  it('over HTTP, as a login sends it', async () => {
    const port = await freePort();
    const server = spawn('openssl', [...responder('delegate'), '-port', String(port)], { stdio: 'ignore' });
    const io = new RevocationIo({
      clock: { now: () => now },
      log: silentLog,
      privateHosts: [`127.0.0.1:${port}`],
      ocspTimeoutSeconds: 5,
      crlTimeoutSeconds: 5,
      maxCrlBytes: 1000,
      coolDownSeconds: 0,
    });
    try {
      const request = writeOcspRequest(
        { certificate: good.certificate, issuer: issuer.certificate },
        { hash: 'sha1', nonce: Buffer.alloc(32, 5) },
      );
      const ask = () => io.askOcsp(`http://127.0.0.1:${port}/`, request).catch(() => undefined);
      await expect.poll(ask, { timeout: 10_000 }).toBeDefined();
      const answer = await io.askOcsp(`http://127.0.0.1:${port}/`, request);
      expect(judge(answer, good, { nonce: Buffer.alloc(32, 5), policy: { nonce: 'required' } })).toBe('good');
    } finally {
      server.kill();
      await io.close();
    }
  });
});

/** What the command says of an answer about `good`: the status only when it has verified the answer. */
function opensslVerdict(bytes: Buffer, hash = 'sha1'): string {
  const file = write('answer.der', bytes);
  const run = spawnSync(
    'openssl',
    [
      ...['ocsp', '-respin', file, '-issuer', at('issuer.pem'), `-${hash}`, '-cert', at('good.pem')],
      ...['-CAfile', at('root.pem'), '-no_nonce', '-verify_other', at('issuer.pem')],
    ],
    { encoding: 'utf8' },
  );
  const text = run.stdout + run.stderr;
  if (!text.includes('Response verify OK') || text.includes('Status times invalid')) return 'unknown';
  return /good\.pem: (good|revoked|unknown)/.exec(text)?.[1] ?? 'unknown';
}

function ourVerdict(bytes: Buffer): string {
  let verdict = 'unknown';
  outcomeOf(() => {
    verdict = judge(bytes, good).replace(/:.*/, '');
  });
  return verdict;
}

type Change = Partial<ocsp.AnswerOptions> & {
  readonly single?: ocsp.SingleOptions;
  readonly about?: ocsp.CertIdOptions;
};
const turned = (right: Buffer): Buffer => Buffer.from(right.with(-1, (right.at(-1) ?? 0) ^ 1));
/** Every answer is one of these signed by one of those. */
const CHANGES: Readonly<Record<string, Change>> = {
  right: {},
  revoked: { single: { status: ocsp.STATUS.revoked(after(-3), 1) } },
  unknown: { single: { status: ocsp.STATUS.unknown } },
  'without nextUpdate': { single: { nextUpdate: null } },
  stale: { single: { thisUpdate: after(-9), nextUpdate: after(-3) } },
  'of the future': { single: { thisUpdate: after(3) } },
  'with nextUpdate before thisUpdate': { single: { thisUpdate: after(-3), nextUpdate: after(-9) } },
  'for another serial number': { about: { serial: der.integer(7) } },
  'for another issuer key': { about: { key: impostor.certificate.publicKeyOctets } },
  'by SHA-256': { about: { hash: 'sha256' } },
  'by key': { responderId: Buffer.alloc(0) },
  'with a wrong signature': { signature: turned },
  'of another type': { responseType: '1.2.3' },
  'with an unknown extension': { extensions: [factory.extension('1.2.3', der.nothing)] },
};
const SIGNERS: Readonly<Record<string, Party>> = {
  issuer,
  delegate,
  'no right': noRight,
  foreign,
  impostor,
  itself: good,
};

function answerOf(change: Change, by: Party): Buffer {
  const { single = {}, about, responderId, ...rest } = change;
  const id = ocsp.certId(good, issuer, about);
  return ocsp.answer({
    singles: [ocsp.single(id, { thisUpdate: after(-1), nextUpdate: after(9), ...single })],
    by,
    producedAt: after(-1),
    certificates: [by.der],
    ...rest,
    ...(responderId === undefined ? {} : { responderId: ocsp.byKey(by) }),
  });
}

describe.skipIf(isMissing)('an answer', () => {
  it.each(Object.keys(CHANGES))('%s is judged as the openssl command judges it, whoever signs', (what) => {
    const found = Object.entries(SIGNERS).map(([signer, by]) => {
      const bytes = answerOf(CHANGES[what] ?? {}, by);
      return { signer, openssl: opensslVerdict(bytes, CHANGES[what]?.about?.hash), ours: ourVerdict(bytes) };
    });
    expect(found.filter(({ openssl, ours }) => openssl !== ours)).toEqual([]);
    const isBelieved = (signer: string) => found.find((one) => one.signer === signer)?.ours !== 'unknown';
    if (what === 'right' || what === 'revoked')
      expect([isBelieved('issuer'), isBelieved('delegate')]).toEqual([true, true]);
  });

  it('is judged more strictly than by the command where that lets pass what it must not (threats.md 2.6)', () => {
    const id = ocsp.certId(good, issuer);
    const times = { thisUpdate: after(-1), nextUpdate: after(9) };
    const ok = ocsp.single(id, times);
    const bad = ocsp.single(id, { ...times, status: ocsp.STATUS.revoked(after(-3)) });
    const common = { by: issuer, singles: [ok], producedAt: after(-1) };
    const critical = factory.extension('1.2.3', der.nothing, true);
    const answers = {
      'F13 good and revoked': ocsp.answer({ ...common, singles: [ok, bad] }),
      'F14 produced in the future': ocsp.answer({ ...common, producedAt: after(5) }),
      'F14 produced before the certificate': ocsp.answer({ ...common, producedAt: after(-60) }),
      'F18 unknown critical extension': ocsp.answer({ ...common, extensions: [critical] }),
      'of version 2': ocsp.answer({ ...common, version: der.context(0, der.integer(1)) }),
    };
    const verdicts = Object.entries(answers).map(([name, bytes]) => [
      name,
      opensslVerdict(bytes),
      ourVerdict(bytes),
    ]);
    expect(verdicts).toEqual([
      ['F13 good and revoked', 'good', 'revoked'],
      ['F14 produced in the future', 'good', 'unknown'],
      ['F14 produced before the certificate', 'good', 'unknown'],
      ['F18 unknown critical extension', 'good', 'unknown'],
      ['of version 2', 'good', 'unknown'],
    ]);
  });
});

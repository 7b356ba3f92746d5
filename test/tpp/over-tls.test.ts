import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Agent, request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/events.ts';
import { createListener, type Listener } from '../../src/mutual-tls/listeners.ts';
import { findSocketCertificate, handshakeIntermediates } from '../../src/mutual-tls/socket-certificate.ts';
import { createAuthority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { createBlockList } from '../../src/tpp/block-list/block-list.ts';
import { createTrustProfile } from '../../src/tpp/trust-profile.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';
import { parsePem } from '../../src/x509/certificate/certificate.ts';
import * as factory from '../x509/certificate-factory.ts';
import { ecdsaSigner, ecKeys, type Keys, NOW, rsaKeys } from '../x509/certificate-factory.ts';
import * as der from '../x509/der-writer.ts';

const NUMBER = 'PSDGB-FCA-123456';
const record = (change: Record<string, unknown> = {}) => ({
  authorizationNumber: NUMBER,
  legalName: 'Acme Ltd',
  nca: { id: 'GB-FCA' },
  country: 'GB',
  roles: ['PSP_AI'],
  status: 'active',
  statusSince: '2026-01-31',
  ...change,
});
const registryOf = (change: Record<string, unknown>) =>
  createRegistry(parseTppRecords(JSON.stringify({ tpps: [record(change)] }), { source: 'test' }), NOW);

const root = factory.issue('authority', 'root');
const issuing = factory.issue('authority', 'issuing', { issuer: root });
const pemOf = (bytes: Uint8Array, label = 'CERTIFICATE'): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;

const statement = (id: string, ...info: readonly Buffer[]) => der.sequence(der.oid(id), ...info);
const STATEMENTS = factory.extension(
  '1.3.6.1.5.5.7.1.3',
  der.sequence(
    statement('0.4.0.1862.1.1'),
    statement('0.4.0.1862.1.6', der.sequence(der.oid('0.4.0.1862.1.6.3'))),
    statement(
      '0.4.0.19495.2',
      der.sequence(
        der.sequence(der.sequence(der.oid('0.4.0.19495.1.3'), der.utf8('PSP_AI'))),
        der.utf8('Financial Conduct Authority'),
        der.utf8('GB-FCA'),
      ),
    ),
  ),
);
const SUBJECT = factory.name(
  [['2.5.4.6', der.printable('GB')]],
  [['2.5.4.97', der.utf8(NUMBER)]],
  [['2.5.4.3', der.utf8('tpp')]],
);

interface Identity {
  readonly cert: string;
  readonly key: string;
}

function identityOf(keys: Keys, options: factory.IssueOptions = {}, ...chain: readonly Buffer[]): Identity {
  const bytes = factory.write('end entity', {
    issuer: issuing,
    subject: SUBJECT,
    extra: [STATEMENTS],
    ...options,
    keys,
  });
  return { cert: [bytes, ...chain].map((one) => pemOf(one)).join(''), key: privatePem(keys.privateKey) };
}

const privatePem = (key: KeyObject): string => String(key.export({ type: 'pkcs8', format: 'pem' }));

let server: IssuedCertificate;
let listener: Listener;
let port: number;
let now = NOW;
let registry = registryOf({});
let blockList = createBlockList([]);
const profiles = [profileOf(root.der)];

function profileOf(anchor: Uint8Array) {
  return createTrustProfile({
    preset: 'eu-qualified',
    anchorsPem: pemOf(anchor),
    intermediatesPem: pemOf(issuing.der),
  });
}

beforeAll(async () => {
  const period = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
  const authority = await createAuthority({ name: 'Root', ...period });
  server = await authority.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...period });
  listener = createListener({
    name: 'mtls',
    certificatePem: server.certificatePem,
    privateKeyPem: server.privateKeyPem,
    requestClientCertificate: true,
    log: silentLog,
  });
  port = await listener.listen(0, '127.0.0.1');
  const authenticator = createTppAuthenticator({
    get trust() {
      return profiles.map((current) => ({ current }));
    },
    authorisationStatus: new AuthorisationStatus({
      registry: { ...registry, find: (...args) => registry.find(...args) },
      blockList: { ...blockList, find: (...args) => blockList.find(...args) },
    }),
    clock: { now: () => now },
  });
  listener.serve(new URL(`https://localhost:${port}`), (incoming, response) => {
    const certificate = findSocketCertificate(incoming.socket);
    const intermediates = handshakeIntermediates(incoming.socket);
    const decided =
      certificate === undefined
        ? Promise.reject({ code: 'ERR_CERT_MISSING' })
        : authenticator.authenticate({ der: certificate.der, intermediates });
    decided.then(
      ({ authorizationNumber }) => response.end(authorizationNumber),
      ({ code }) => response.end(code),
    );
  });
});
afterAll(() => listener.close());

/** The authorization number, the code of the refusal, or the name of the TLS alert. */
function decision(identity: Identity | undefined, agent = new Agent()): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(
      {
        host: 'localhost',
        port,
        agent,
        rejectUnauthorized: false,
        ...identity,
        ciphers: 'DEFAULT@SECLEVEL=0',
      },
      (answer) => {
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => resolve(text));
      },
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      resolve(
        /alert|SSL|ECONNRESET|handshake/i.test(`${error.code} ${error.message}`) ? 'ALERT' : error.message,
      ),
    );
    outgoing.end();
  });
}

describe('over real TLS, a TPP', () => {
  it('proves itself by leaf alone, or with its chain, and not without a certificate (C8, A2)', async () => {
    expect(await decision(identityOf(ecKeys()))).toBe(NUMBER);
    expect(await decision(identityOf(ecKeys(), {}, issuing.der, root.der))).toBe(NUMBER);
    expect(await decision(undefined)).toBe('ERR_CERT_MISSING');
  });

  // Where client and server have no algorithm in common for a key, the client sends no certificate.
  it.each<[what: string, keys: () => Keys, expected: string]>([
    ['RSA 2048', () => rsaKeys(2048), NUMBER],
    ['P-384', () => ecKeys('P-384'), NUMBER],
    ['Ed25519', () => factory.ed25519Keys(), NUMBER],
    ['RSA 1024', () => rsaKeys(1024), 'ERR_CERT_WEAK_KEY'],
    ['RSA 2047', () => rsaKeys(2047), 'ERR_CERT_WEAK_KEY'],
    ['RSA with exponent 3', () => rsaKeys(2048, 3), 'ERR_CERT_WEAK_KEY'],
    ['P-224', () => ecKeys('secp224r1'), 'ERR_CERT_MISSING'],
    ['secp256k1', () => ecKeys('secp256k1'), 'ERR_CERT_MISSING'],
    ['brainpoolP256r1', () => ecKeys('brainpoolP256r1'), 'ERR_CERT_KEY_UNSUPPORTED'],
    [
      'DSA',
      () => generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }),
      'ERR_CERT_MISSING',
    ],
    ['Ed448', () => generateKeyPairSync('ed448'), 'ERR_CERT_KEY_UNSUPPORTED'],
  ])('with a key of %s is taken or refused for it (C11)', async (_what, keys, expected) => {
    expect(await decision(identityOf(keys()))).toBe(expected);
  });

  it('with a signature of SHA-1, or of a stranger with the name of its issuer, is refused (C11, D17)', async () => {
    expect(await decision(identityOf(ecKeys(), { signer: ecdsaSigner('sha1') }))).toBe(
      'ERR_CERT_WEAK_SIGNATURE',
    );
    const stranger = factory.issue('authority', 'issuing', {
      extra: [factory.subjectKeyId(factory.keyIdOf(issuing.keys.publicKey))],
    });
    const forged = identityOf(
      ecKeys(),
      {
        issuer: stranger,
        extra: [STATEMENTS, factory.authorityKeyId(factory.keyIdOf(issuing.keys.publicKey))],
      },
      stranger.der,
    );
    expect(await decision(forged)).toBe('ERR_CERT_UNTRUSTED');
  });

  it('has one identifier, and none hidden beside it in another type (E11)', async () => {
    const withSecond = (second: Buffer) =>
      identityOf(ecKeys(), {
        subject: factory.name(
          [['2.5.4.6', der.printable('GB')]],
          [
            ['2.5.4.97', der.utf8(NUMBER)],
            ['2.5.4.97', second],
          ],
          [['2.5.4.3', der.utf8('tpp')]],
        ),
      });
    expect(await decision(withSecond(der.utf8('PSDGB-FCA-999999')))).toBe('ERR_TPP_IDENTIFIER_AMBIGUOUS');
    // OpenSSL does not load the others; a proxy might.
    const { evaluate } = createTppAuthenticator({
      trust: profiles.map((current) => ({ current })),
      authorisationStatus: new AuthorisationStatus({ registry }),
      clock: { now: () => NOW },
    });
    const untold = factory.name([['2.5.4.97', der.octetString(Buffer.from(NUMBER))]]);
    for (const [{ cert }, code] of [
      [withSecond(der.octetString(Buffer.from('x'))), 'ERR_TPP_IDENTIFIER_AMBIGUOUS'],
      [identityOf(ecKeys(), { subject: untold }), 'ERR_TPP_IDENTIFIER_INVALID'],
    ] as const) {
      const [bytes = Buffer.alloc(0)] = parsePem(cert);
      expect(await evaluate({ der: bytes })).toMatchObject({ refusal: { code } });
    }
  });

  it('is asked again at each request of a live connection (C9, C15, G4)', async () => {
    const identity = identityOf(ecKeys());
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const again = () => decision(identity, agent);
    expect(await again()).toBe(NUMBER);
    registry = registryOf({ status: 'withdrawn' });
    expect(await again()).toBe('ERR_TPP_NOT_AUTHORIZED');
    registry = registryOf({});
    blockList = createBlockList([{ kind: 'tpp', authorizationNumber: NUMBER, reason: 'fraud', since: NOW }]);
    expect(await again()).toBe('ERR_TPP_BLOCKED');
    blockList = createBlockList([]);
    now = new Date('2027-02-01T00:00:00Z');
    expect(await again()).toBe('ERR_CERT_EXPIRED');
    now = NOW;
    expect(await again()).toBe(NUMBER);
    expect(Object.values(agent.sockets).concat(Object.values(agent.freeSockets)).flat()).toHaveLength(1);
    agent.destroy();
  });
});

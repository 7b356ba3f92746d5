import { type KeyObject, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TLSSocket, connect, createServer } from 'node:tls';
import type { Log } from '../events.ts';
import { handshakeIntermediates } from '../mutual-tls/socket-certificate.ts';
import { TAG, contextTag, writeElement, writeSequence } from '../x509/der/der.ts';

const TIMEOUT_MILLISECONDS = 5000;
const P256 = { namedCurve: 'P-256' } as const;
const ECDSA_WITH_SHA256 = writeSequence(Buffer.from('06082a8648ce3d040302', 'hex'));
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const CA_EXTENSIONS = writeElement(
  contextTag(3, 'constructed'),
  writeSequence(Buffer.from('300f0603551d130101ff040530030101ff', 'hex')),
);
const VERSION_3 = Buffer.from('a003020102', 'hex');

/**
 * Whether this release of Node shows a server the intermediate certificates that a client sends. Some releases lose
 * them (24.21, 26.8). One handshake of the process with itself, over loopback, with keys that it drops afterwards.
 */
export async function isClientChainKept(): Promise<boolean> {
  const [ca, client] = [generateKeyPairSync('ec', P256), generateKeyPairSync('ec', P256)];
  const root = certificatePem('ca', ca.publicKey, ca.privateKey);
  const leaf = certificatePem('client', client.publicKey, ca.privateKey);
  const key = ca.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const server = createServer({ cert: root, key, ca: root, requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'secureConnection', { signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) });
  const connection = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    cert: leaf + root,
    key: client.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    rejectUnauthorized: false,
  });
  connection.on('error', () => undefined);
  try {
    const [socket]: TLSSocket[] = await accepted;
    return socket !== undefined && handshakeIntermediates(socket).length > 0;
  } finally {
    connection.destroy();
    server.close();
  }
}

/** One event when certificate paths depend on the intermediates of the configuration, since the handshake shows none. */
export async function reportClientChain(log: Log, isKept = isClientChainKept): Promise<void> {
  if (!(await isKept().catch(() => false)))
    log.emit('runtime.client_chain_lost', { outcome: process.version });
}

/** A certificate of the CA `ca` that is good for one handshake. */
function certificatePem(name: string, publicKey: KeyObject, issuerKey: KeyObject): string {
  const serial = writeElement(TAG.integer, Buffer.from([name === 'ca' ? 1 : 2]));
  const toBeSigned = writeSequence(
    VERSION_3,
    serial,
    ECDSA_WITH_SHA256,
    distinguishedName('ca'),
    writeSequence(time('20000101000000Z'), time('20991231235959Z')),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(name === 'ca' ? [CA_EXTENSIONS] : []),
  );
  const signature = writeElement(TAG.bitString, Buffer.of(0), sign('sha256', toBeSigned, issuerKey));
  const der = writeSequence(toBeSigned, ECDSA_WITH_SHA256, signature);
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

function distinguishedName(name: string): Buffer {
  const value = writeElement(TAG.utf8String, Buffer.from(name));
  return writeSequence(writeElement(TAG.set, writeSequence(COMMON_NAME, value)));
}

function time(text: string): Buffer {
  return writeElement(TAG.generalizedTime, Buffer.from(text));
}

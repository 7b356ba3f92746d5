import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { SecondElement } from '../second-element.ts';

/** Flags of the authenticator data (Web Authentication §6.1). */
const [PRESENT, VERIFIED, HAS_CREDENTIAL] = [0x01, 0x04, 0x40];
const ID_BYTES = 32;
const AAGUID = Buffer.alloc(16);

/**
 * An authenticator in software, with one passkey (ES256) that never leaves the process: its answers are those that a browser
 * sends (Web Authentication Level 3). The customer is always present and verified.
 */
export class SoftwarePasskey implements SecondElement {
  readonly by = 'passkey';
  readonly id = randomBytes(ID_BYTES).toString('base64url');
  readonly #origin: string;
  readonly #keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  #counter = 0;
  /** The answer that was sent last. */
  last: Readonly<Record<string, string>> = {};

  constructor(origin: string) {
    this.#origin = origin;
    this.#keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  }

  /** The answer to a page that offers to make a passkey. */
  create(page: string): string {
    const { x = '', y = '' } = this.#keys.publicKey.export({ format: 'jwk' });
    const [id, length] = [Buffer.from(this.id, 'base64url'), Buffer.alloc(2)];
    length.writeUInt16BE(id.length);
    const data = this.#authenticatorData(PRESENT | VERIFIED | HAS_CREDENTIAL);
    const made = Buffer.concat([data, AAGUID, length, id, coseKey(x, y)]);
    return this.#json({
      clientDataJSON: this.#clientData('webauthn.create', page),
      attestationObject: withoutAttestation(made),
    });
  }

  async answer(page: string): Promise<Readonly<Record<string, string>>> {
    this.#counter += 1;
    const clientDataJSON = this.#clientData('webauthn.get', page);
    const authenticatorData = this.#authenticatorData(PRESENT | VERIFIED);
    const signed = Buffer.concat([authenticatorData, sha256(clientDataJSON)]);
    const signature = sign('sha256', signed, this.#keys.privateKey);
    this.last = { answer: this.#json({ clientDataJSON, authenticatorData, signature }) };
    return this.last;
  }

  #clientData(type: string, page: string): Buffer {
    const { challenge } = optionsOf(page);
    return Buffer.from(JSON.stringify({ type, challenge, origin: this.#origin, crossOrigin: false }));
  }

  #authenticatorData(flags: number): Buffer {
    const rest = Buffer.alloc(5);
    rest.writeUInt8(flags);
    rest.writeUInt32BE(this.#counter, 1);
    return Buffer.concat([sha256(new URL(this.#origin).hostname), rest]);
  }

  #json(response: Readonly<Record<string, Buffer>>): string {
    const texts = Object.entries(response).map(([name, bytes]) => [name, bytes.toString('base64url')]);
    const { id } = this;
    return JSON.stringify({ id, rawId: id, type: 'public-key', response: Object.fromEntries(texts) });
  }
}

/** The options that the script of the page reads. */
function optionsOf(page: string): { readonly challenge: string } {
  const [, text = '{}'] = /data-options="([^"]*)"/.exec(page) ?? [];
  return JSON.parse(text.replaceAll('&quot;', '"').replaceAll('&amp;', '&'));
}

/** A P-256 key for ES256 in CBOR (RFC 9053 §7.1.1). */
function coseKey(x: string, y: string): Buffer {
  const coordinate = (label: string, text: string) =>
    Buffer.concat([Buffer.from(`${label}5820`, 'hex'), Buffer.from(text, 'base64url')]);
  return Buffer.concat([Buffer.from('a5010203262001', 'hex'), coordinate('21', x), coordinate('22', y)]);
}

/** `{ fmt: 'none', attStmt: {}, authData }` in CBOR (Web Authentication §8.7), for less than 256 bytes. */
function withoutAttestation(data: Buffer): Buffer {
  const head = Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex');
  return Buffer.concat([head, Buffer.from([0x58, data.length]), data]);
}

function sha256(content: string | Buffer): Buffer {
  return createHash('sha256').update(content).digest();
}

import { randomUUID } from 'node:crypto';
import type { JWK } from 'jose';
import { type Cryptoki, CryptokiError } from './cryptoki.ts';
import type { TokenAlgorithm, TokenKey, TokenKeys, UnfitKey } from './token-messages.ts';

/** Constants of PKCS#11 2.40 (pkcs11t.h). */
const ATTRIBUTE = {
  class: 0,
  token: 1,
  private: 2,
  label: 3,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  ecParameters: 0x180,
  ecPoint: 0x181,
} as const;
const OBJECT_CLASS = { public: 2, private: 3 } as const;
const KEY_TYPE = { rsa: 0, ec: 3 } as const;
const MECHANISM = { rsaKeyPair: 0, rsaPss: 0xd, ecKeyPair: 0x1040, ecdsa: 0x1041, sha256: 0x250 } as const;
const MGF1_SHA256 = 2;
const SESSION = { serial: 4, readWrite: 2 } as const;
const ATTRIBUTE_MISSING: readonly number[] = [0x11, 0x12];
/** The object identifier prime256v1. */
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const RSA_BITS = 3072;
const MIN_RSA_BYTES = 2048 / 8;
/** FAPI 2.0 §5.4.1 and RFC 7518 §3.5: the salt is as long as the digest. */
const DIGEST_BYTES = 32;
/** The largest value of an attribute that is read: a modulus of 8192 bits. */
const MAX_VALUE_BYTES = 1024;
const MAX_KEYS = 1000;
const TRUE = Buffer.from([1]);
const FALSE = Buffer.from([0]);

type Handle = number | bigint;

/** The keys of one token, to which the process has logged in. Every operation takes a session of the pool for itself. */
export class Token {
  readonly #library: Cryptoki;
  readonly #slot: Handle;
  readonly #idle: Handle[];
  readonly #handles = new Map<string, Handle>();

  /** Takes over a session that is logged in: the login holds while one session is open. */
  constructor(library: Cryptoki, slot: Handle, session: Handle) {
    this.#library = library;
    this.#slot = slot;
    this.#idle = [session];
  }

  /** The key pairs whose labels begin so. */
  list(label: string): Promise<TokenKeys> {
    return this.#inSession(async (session) => {
      const keys: TokenKey[] = [];
      const unfit: UnfitKey[] = [];
      for (const handle of await this.#find(session, [[ATTRIBUTE.class, this.#word(OBJECT_CLASS.private)]])) {
        const own = await this.#read(session, handle, [ATTRIBUTE.label, ATTRIBUTE.id, ATTRIBUTE.sensitive]);
        const name = own.get(ATTRIBUTE.label)?.toString('utf8') ?? '';
        if (!name.startsWith(label)) continue;
        const id = own.get(ATTRIBUTE.id) ?? Buffer.alloc(0);
        const found =
          own.get(ATTRIBUTE.sensitive)?.[0] === 1
            ? await this.#publicPart(session, id, name)
            : 'may be read in plain text: CKA_SENSITIVE is not set';
        if (typeof found === 'string') {
          unfit.push({ label: name, problem: found });
          continue;
        }
        const reference = `${id.toString('hex')} ${found.alg} ${name}`;
        this.#handles.set(reference, handle);
        keys.push({ ...found, reference, label: name });
      }
      return { keys, unfit };
    });
  }

  /** The signature over a SHA-256 digest in the form of JWS, which is that of PKCS#11 too. */
  sign(reference: string, alg: TokenAlgorithm, digest: Uint8Array): Promise<Buffer> {
    const handle = this.#handles.get(reference);
    if (handle === undefined) throw new Error('there is no such key');
    return this.#inSession(async (session) => {
      await this.#library.call('C_SignInit', [session, this.#signature(alg), handle]);
      const signature = Buffer.alloc(MAX_VALUE_BYTES);
      const length: [number] = [MAX_VALUE_BYTES];
      await this.#library.call('C_Sign', [session, digest, digest.length, signature, length]);
      return signature.subarray(0, length[0]);
    });
  }

  /** Makes a key pair in the token. The private key cannot leave it. */
  async generate(label: string, alg: TokenAlgorithm): Promise<void> {
    const id = Buffer.from(randomUUID().replaceAll('-', ''), 'hex');
    const name: Template = [
      [ATTRIBUTE.token, TRUE],
      [ATTRIBUTE.label, Buffer.from(label)],
      [ATTRIBUTE.id, id],
    ];
    const kind: Template =
      alg === 'ES256'
        ? [[ATTRIBUTE.ecParameters, P256]]
        : [
            [ATTRIBUTE.modulusBits, this.#word(RSA_BITS)],
            [ATTRIBUTE.publicExponent, Buffer.from([1, 0, 1])],
          ];
    const publicKey = attributes([...name, [ATTRIBUTE.verify, TRUE], ...kind]);
    const privateKey = attributes([
      ...name,
      [ATTRIBUTE.private, TRUE],
      [ATTRIBUTE.sensitive, TRUE],
      [ATTRIBUTE.extractable, FALSE],
      [ATTRIBUTE.sign, TRUE],
    ]);
    const mechanism = mechanismOf(alg === 'ES256' ? MECHANISM.ecKeyPair : MECHANISM.rsaKeyPair);
    await this.#writing(async (session) => {
      const halves = [publicKey, publicKey.length, privateKey, privateKey.length];
      await this.#library.call('C_GenerateKeyPair', [session, mechanism, ...halves, [0], [0]]);
    });
  }

  /** Removes both halves of a key pair from the token. */
  async destroy(reference: string): Promise<void> {
    const [id = '', , label = ''] = reference.split(' ');
    const names: Template = [
      [ATTRIBUTE.id, Buffer.from(id, 'hex')],
      [ATTRIBUTE.label, Buffer.from(label)],
    ];
    await this.#writing(async (session) => {
      for (const handle of await this.#find(session, names)) {
        await this.#library.call('C_DestroyObject', [session, handle]);
      }
    });
    this.#handles.delete(reference);
  }

  /** A text says why the key is left out. */
  async #publicPart(
    session: Handle,
    id: Buffer,
    label: string,
  ): Promise<Pick<TokenKey, 'alg' | 'jwk'> | string> {
    const [handle] = await this.#find(session, [
      [ATTRIBUTE.class, this.#word(OBJECT_CLASS.public)],
      [ATTRIBUTE.id, id],
      [ATTRIBUTE.label, Buffer.from(label)],
    ]);
    if (handle === undefined) return 'has no public key object with the same CKA_ID and label';
    const { keyType, ecParameters, ecPoint, modulus, publicExponent } = ATTRIBUTE;
    const wanted = [keyType, ecParameters, ecPoint, modulus, publicExponent];
    const read = await this.#read(session, handle, wanted);
    const type = read.get(keyType)?.[0];
    if (type === KEY_TYPE.ec) return ellipticKey(read.get(ecParameters), read.get(ecPoint));
    if (type === KEY_TYPE.rsa) return rsaKey(read.get(modulus), read.get(publicExponent));
    return 'is neither RSA nor EC';
  }

  async #find(session: Handle, template: Template): Promise<readonly Handle[]> {
    const wanted = attributes([[ATTRIBUTE.token, TRUE], ...template]);
    await this.#library.call('C_FindObjectsInit', [session, wanted, wanted.length]);
    const found = Buffer.alloc(MAX_KEYS * this.#library.wordBytes);
    const count: [number] = [0];
    await this.#library.call('C_FindObjects', [session, found, MAX_KEYS, count]);
    await this.#library.call('C_FindObjectsFinal', [session]);
    return this.#library.words(found, count[0]);
  }

  /** The values of those attributes that the object has. */
  async #read(
    session: Handle,
    object: Handle,
    types: readonly number[],
  ): Promise<ReadonlyMap<number, Buffer>> {
    const buffers = types.map(() => Buffer.alloc(MAX_VALUE_BYTES));
    const template = attributes(types.map((type, at) => [type, buffers[at] ?? Buffer.alloc(0)]));
    const code = await this.#library.code('C_GetAttributeValue', [session, object, template, types.length]);
    if (code !== 0 && !ATTRIBUTE_MISSING.includes(code)) {
      throw new CryptokiError('C_GetAttributeValue', code);
    }
    return new Map(
      types.flatMap((type, at) => {
        const length = Number(template[at]?.ulValueLen);
        const value = buffers[at];
        // The length of an attribute that the object does not have is CK_UNAVAILABLE_INFORMATION: all bits set.
        return value === undefined || length > MAX_VALUE_BYTES ? [] : [[type, value.subarray(0, length)]];
      }),
    );
  }

  async #inSession<T>(work: (session: Handle) => Promise<T>): Promise<T> {
    const session = this.#idle.pop() ?? (await this.#open(SESSION.serial));
    try {
      return await work(session);
    } finally {
      this.#idle.push(session);
    }
  }

  async #writing(work: (session: Handle) => Promise<void>): Promise<void> {
    const session = await this.#open(SESSION.serial | SESSION.readWrite);
    try {
      await work(session);
    } finally {
      await this.#library.code('C_CloseSession', [session]);
    }
  }

  async #open(flags: number): Promise<Handle> {
    const session: [Handle] = [0];
    await this.#library.call('C_OpenSession', [this.#slot, flags, null, null, session]);
    return session[0];
  }

  #signature(alg: TokenAlgorithm) {
    if (alg === 'ES256') return mechanismOf(MECHANISM.ecdsa);
    const { sha256 } = MECHANISM;
    return mechanismOf(
      MECHANISM.rsaPss,
      Buffer.concat([sha256, MGF1_SHA256, DIGEST_BYTES].map((one) => this.#word(one))),
    );
  }

  #word(value: number): Buffer {
    const word = Buffer.alloc(this.#library.wordBytes);
    word.writeUInt32LE(value);
    return word;
  }
}

type Template = readonly (readonly [type: number, value: Buffer])[];

function attributes(template: Template) {
  return template.map(([type, value]) => ({ type, pValue: value, ulValueLen: value.length }));
}

function mechanismOf(mechanism: number, parameter?: Buffer) {
  return { mechanism, pParameter: parameter ?? null, ulParameterLen: parameter?.length ?? 0 };
}

/** The point is 04 ‖ x ‖ y, in an OCTET STRING (PKCS#11 2.40 §2.3.3) or, in some libraries, without. */
function ellipticKey(
  parameters: Buffer | undefined,
  point: Buffer | undefined,
): Pick<TokenKey, 'alg' | 'jwk'> | string {
  if (parameters?.equals(P256) !== true) return 'is on another curve than P-256';
  const raw = point?.subarray(-65);
  if (raw?.length !== 65 || raw[0] !== 4) return 'has a point that cannot be read';
  const jwk: JWK = { kty: 'EC', crv: 'P-256', x: text(raw.subarray(1, 33)), y: text(raw.subarray(33)) };
  return { alg: 'ES256', jwk };
}

function rsaKey(
  modulus: Buffer | undefined,
  exponent: Buffer | undefined,
): Pick<TokenKey, 'alg' | 'jwk'> | string {
  if (modulus === undefined || exponent === undefined) return 'has no modulus or exponent';
  const digits = withoutZeros(modulus);
  if (digits.length < MIN_RSA_BYTES) return 'has fewer than 2048 bits';
  return { alg: 'PS256', jwk: { kty: 'RSA', n: text(digits), e: text(withoutZeros(exponent)) } };
}

function withoutZeros(number: Buffer): Buffer {
  const first = number.findIndex((byte) => byte !== 0);
  return number.subarray(Math.max(first, 0));
}

function text(bytes: Buffer): string {
  return bytes.toString('base64url');
}

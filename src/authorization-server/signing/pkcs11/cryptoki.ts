import type { LibraryHandle } from 'koffi';

/** The functions of PKCS#11 2.40 in the order of CK_FUNCTION_LIST, as far as this program needs the list. */
const FUNCTIONS =
  `C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo
  C_GetMechanismList C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions
  C_GetSessionInfo C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject
  C_GetObjectSize C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal
  C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal
  C_DigestInit C_Digest C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal
  C_SignRecoverInit C_SignRecover C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit
  C_VerifyRecover C_DigestEncryptUpdate C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey
  C_GenerateKeyPair`.split(/\s+/);

/** The functions that are called, with their parameters. */
const PARAMETERS = {
  C_Initialize: 'CK_C_INITIALIZE_ARGS *args',
  C_GetSlotList: 'uint8 present, void *slots, _Inout_ ulong *count',
  C_GetTokenInfo: 'ulong slot, void *info',
  C_OpenSession: 'ulong slot, ulong flags, void *application, void *notify, _Out_ ulong *session',
  C_CloseSession: 'ulong session',
  C_Login: 'ulong session, ulong user, void *pin, ulong length',
  C_FindObjectsInit: 'ulong session, CK_ATTRIBUTE *template, ulong count',
  C_FindObjects: 'ulong session, void *objects, ulong most, _Out_ ulong *count',
  C_FindObjectsFinal: 'ulong session',
  C_GetAttributeValue: 'ulong session, ulong object, _Inout_ CK_ATTRIBUTE *template, ulong count',
  C_DestroyObject: 'ulong session, ulong object',
  C_GenerateKeyPair:
    'ulong session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public, ulong publicCount, CK_ATTRIBUTE *private, ulong privateCount, _Out_ ulong *publicKey, _Out_ ulong *privateKey',
  C_SignInit: 'ulong session, CK_MECHANISM *mechanism, ulong key',
  C_Sign: 'ulong session, void *data, ulong length, void *signature, _Inout_ ulong *signatureLength',
} as const;

export type CryptokiFunction = keyof typeof PARAMETERS;
type AsyncFunction = { async(...words: readonly unknown[]): void };

/** A code of a PKCS#11 library that is not CKR_OK. */
export class CryptokiError extends Error {
  override readonly name = 'CryptokiError';
  readonly code: number;

  constructor(name: CryptokiFunction, code: number) {
    super(`${name} answered 0x${code.toString(16)}`);
    this.code = code;
  }
}

/**
 * A PKCS#11 library, by the package koffi, which brings its binary: nothing is compiled. This is the only file that imports
 * it. Every call runs in a thread of the pool. Callers keep the buffers of a call until its end.
 */
export class Cryptoki {
  readonly #functions: ReadonlyMap<CryptokiFunction, AsyncFunction>;
  /** Bytes of a CK_ULONG. */
  readonly wordBytes: number;

  private constructor(functions: ReadonlyMap<CryptokiFunction, AsyncFunction>, wordBytes: number) {
    this.#functions = functions;
    this.wordBytes = wordBytes;
  }

  /** @throws Error when koffi is not installed, or the file is no PKCS#11 library */
  static async load(file: string): Promise<Cryptoki> {
    const koffi = await import('koffi').then(
      (loaded) => loaded.default,
      (cause: unknown) => {
        throw new Error('the package koffi is not there: install it beside tallystick', { cause });
      },
    );
    // pkcs11t.h of Windows packs its structures.
    const struct = process.platform === 'win32' ? koffi.pack : koffi.struct;
    struct('CK_MECHANISM', { mechanism: 'ulong', pParameter: 'void *', ulParameterLen: 'ulong' });
    struct('CK_ATTRIBUTE', { type: 'ulong', pValue: 'void *', ulValueLen: 'ulong' });
    const mutexes = { create: 'void *', destroy: 'void *', lock: 'void *', unlock: 'void *' };
    struct('CK_C_INITIALIZE_ARGS', { ...mutexes, flags: 'ulong', reserved: 'void *' });
    const members = Object.fromEntries(FUNCTIONS.map((name) => [name, 'void *']));
    const listType = struct('CK_FUNCTION_LIST', { major: 'uint8', minor: 'uint8', ...members });
    const library: LibraryHandle = koffi.load(file);
    const found: [unknown] = [null];
    const code = Number(library.func('ulong C_GetFunctionList(_Out_ CK_FUNCTION_LIST **list)')(found));
    if (code !== 0) throw new Error(`C_GetFunctionList answered 0x${code.toString(16)}`);
    const list: Readonly<Record<string, unknown>> = koffi.decode(found[0], listType);
    const functions = Object.entries(PARAMETERS).map(([name, parameters]) => {
      const decoded: AsyncFunction = koffi.decode(list[name], koffi.proto(`ulong ${name}(${parameters})`));
      return [name as CryptokiFunction, decoded] as const;
    });
    return new Cryptoki(new Map(functions), koffi.sizeof('ulong'));
  }

  /** The code that the function answers with. */
  async code(name: CryptokiFunction, words: readonly unknown[]): Promise<number> {
    const called = this.#functions.get(name);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    called?.async(...words, (error: Error | null, code: number | bigint) =>
      error === null ? resolve(Number(code)) : reject(error),
    );
    return promise;
  }

  /** @throws CryptokiError for every code other than CKR_OK */
  async call(name: CryptokiFunction, words: readonly unknown[]): Promise<void> {
    const code = await this.code(name, words);
    if (code !== 0) throw new CryptokiError(name, code);
  }

  /** The numbers of a buffer of CK_ULONGs. */
  words(buffer: Buffer, count: number): readonly (number | bigint)[] {
    return Array.from({ length: count }, (_, at) =>
      this.wordBytes === 8 ? buffer.readBigUInt64LE(at * 8) : buffer.readUInt32LE(at * 4),
    );
  }
}

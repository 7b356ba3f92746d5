import { readFile } from 'node:fs/promises';
import { findExposure } from '../../../files/private-files.ts';
import { Cryptoki, CryptokiError } from './cryptoki.ts';
import { Token } from './token.ts';
import type { TokenSettings } from './token-messages.ts';

const OS_LOCKING_OK = 2;
const SERIAL_SESSION = 4;
const USER = 1;
/** CKR_CRYPTOKI_ALREADY_INITIALIZED and CKR_USER_ALREADY_LOGGED_IN. */
const ALREADY = { initialized: 0x191, loggedIn: 0x100 } as const;
/** CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED and CKR_PIN_LOCKED. */
const PIN_CODES: readonly number[] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4];
const MAX_SLOTS = 256;
/** CK_TOKEN_INFO: 32 bytes of label first, the flags after three more texts. */
const TOKEN_INFO = { bytes: 512, labelBytes: 32, flagsAt: 96 } as const;
const FLAG = { pinFinalTry: 0x2_0000, pinLocked: 0x4_0000 } as const;

type Handle = number | bigint;

/** The PIN was refused, or must not be tried. */
export class PinError extends Error {
  override readonly name = 'PinError';
}

/**
 * Loads the library, finds the token and logs in.
 *
 * @throws PinError, CryptokiError or another error that says why not
 */
export async function openToken(settings: TokenSettings): Promise<Token> {
  const library = await Cryptoki.load(settings.moduleFile);
  const mutexes = { create: null, destroy: null, lock: null, unlock: null };
  const code = await library.code('C_Initialize', [{ ...mutexes, flags: OS_LOCKING_OK, reserved: null }]);
  if (code !== 0 && code !== ALREADY.initialized) throw new CryptokiError('C_Initialize', code);
  const { slot, flags } = await findToken(library, settings);
  if ((flags & FLAG.pinLocked) !== 0) throw new PinError('the PIN of the token is locked');
  if ((flags & FLAG.pinFinalTry) !== 0) {
    throw new PinError('one more wrong PIN would lock the token: log in once by its own tool');
  }
  const session: [Handle] = [0];
  await library.call('C_OpenSession', [slot, SERIAL_SESSION, null, null, session]);
  await logIn(library, session[0], settings.pinFile);
  return new Token(library, slot, session[0]);
}

async function findToken(
  library: Cryptoki,
  { slot, tokenLabel }: TokenSettings,
): Promise<{ readonly slot: Handle; readonly flags: number }> {
  if (slot !== undefined) return { slot, flags: (await infoOf(library, slot)).flags };
  const found = Buffer.alloc(MAX_SLOTS * library.wordBytes);
  const count: [number] = [MAX_SLOTS];
  await library.call('C_GetSlotList', [1, found, count]);
  const tokens = await Promise.all(
    library.words(found, count[0]).map(async (one) => ({ slot: one, ...(await infoOf(library, one)) })),
  );
  const [token, ...others] = tokens.filter(({ label }) => label === tokenLabel);
  if (token === undefined) throw new Error('no slot has a token with this label');
  if (others.length > 0) throw new Error('several slots have a token with this label: name the slot');
  return token;
}

async function infoOf(
  library: Cryptoki,
  slot: Handle,
): Promise<{ readonly label: string; readonly flags: number }> {
  const info = Buffer.alloc(TOKEN_INFO.bytes);
  await library.call('C_GetTokenInfo', [slot, info]);
  const label = info.subarray(0, TOKEN_INFO.labelBytes).toString('utf8').trimEnd();
  return { label, flags: info.readUInt32LE(TOKEN_INFO.flagsAt) };
}

async function logIn(library: Cryptoki, session: Handle, pinFile: string): Promise<void> {
  const exposure = findExposure({ path: 'signingKeys.pkcs11.pinFile', file: pinFile });
  if (exposure !== undefined) throw new Error(exposure);
  const content = await readFile(pinFile);
  const end = content.findLastIndex((byte) => byte !== 0x0a && byte !== 0x0d) + 1;
  const pin = content.subarray(0, end);
  const code = await library.code('C_Login', [session, USER, pin, pin.length]);
  content.fill(0);
  if (PIN_CODES.includes(code)) throw new PinError(`the token refused the PIN: 0x${code.toString(16)}`);
  if (code !== 0 && code !== ALREADY.loggedIn) throw new CryptokiError('C_Login', code);
}

import { CryptokiError } from './cryptoki.ts';
import { openToken, PinError } from './token-login.ts';
import type { Token } from './token.ts';
import type { FromToken, ToToken, TokenRequest, TokenSettings } from './token-messages.ts';

/**
 * CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, those of the device and the session, CKR_TOKEN_NOT_PRESENT, CKR_USER_NOT_LOGGED_IN and
 * CKR_CRYPTOKI_NOT_INITIALIZED: a new process may come through.
 */
const LOST: readonly number[] = [0x5, 0x6, 0x30, 0x31, 0x32, 0xb0, 0xb3, 0xe0, 0x101, 0x190];

let token: Token | undefined;

process.on('message', (message: ToToken) => {
  void ('open' in message ? open(message.open) : answer(message.id, message.request));
});
// A thread that hangs in the library would keep the process alive.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Its parent ends it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

async function open(settings: TokenSettings): Promise<void> {
  // Read by libuv when the pool starts: one thread for each session, one for files.
  process.env.UV_THREADPOOL_SIZE = String(settings.sessions + 1);
  try {
    token = await openToken(settings);
    send({ state: 'opened' });
  } catch (error) {
    send({ state: 'refused', problem: messageOf(error), isPin: error instanceof PinError });
  }
}

async function answer(id: number, request: TokenRequest): Promise<void> {
  try {
    if (token === undefined) throw new Error('the token is not open');
    send({ id, value: await resultOf(token, request) });
  } catch (error) {
    const isLost = error instanceof CryptokiError && LOST.includes(error.code);
    send({ id, problem: messageOf(error), isLost });
  }
}

function resultOf(opened: Token, request: TokenRequest): Promise<unknown> {
  if ('list' in request) return opened.list(request.list);
  if ('sign' in request) return opened.sign(request.sign, request.alg, request.digest);
  if ('generate' in request) return opened.generate(request.generate, request.alg);
  return opened.destroy(request.destroy);
}

function send(message: FromToken): void {
  process.send?.(message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

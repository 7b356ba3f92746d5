import type { IncomingMessage } from 'node:http';
import { OpenBankingError } from '../../errors.ts';

/** `front` asks for no client certificate, `mtls` does. */
export type ListenerName = 'front' | 'mtls';

const NAME = Symbol('listener');

/** Written on the request itself: a map that every request enters and leaves costs more than it holds. */
interface NamedRequest extends IncomingMessage {
  [NAME]?: ListenerName;
}

export function noteListener(request: NamedRequest, name: ListenerName): void {
  request[NAME] = name;
}

/** The listener that a request came to. */
export function listenerOf(request: NamedRequest): ListenerName {
  const name = request[NAME];
  if (name === undefined) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: '' });
  return name;
}

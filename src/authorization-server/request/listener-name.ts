import type { IncomingMessage } from 'node:http';
import { OpenBankingError } from '../../errors.ts';

/** `front` requests no client certificate, `mtls` does. */
export type ListenerName = 'front' | 'mtls';

const NAME = Symbol('listener');

/** The name is a property of the request: a map would have to be cleaned after each request. */
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

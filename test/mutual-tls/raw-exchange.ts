import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** All that came back. */
  readonly text: string;
}

export interface RawExchange {
  readonly port: number;
  readonly caPem: string;
  /** How long to wait for more. Default 5000. */
  readonly timeoutMilliseconds?: number;
  /** Address that the connection comes from. */
  readonly from?: string;
  /** Without TLS. */
  readonly isPlain?: boolean;
  readonly certificate?: { readonly certificatePem: string; readonly privateKeyPem: string } | undefined;
}

/** Sends bytes over TLS as they are, and answers with all that comes back until the other side closes. */
export function rawExchange(
  bytes: string,
  { port, caPem, certificate, from = '127.0.0.1', timeoutMilliseconds = 5000, isPlain = false }: RawExchange,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const identity =
      certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.privateKeyPem };
    const plain = connectPlain({ port, host: '127.0.0.1', localAddress: from });
    const socket = isPlain
      ? plain
      : connect({ socket: plain, servername: 'localhost', ca: caPem, ...identity });
    let text = '';
    socket.setTimeout(timeoutMilliseconds, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.once('close', () => resolve(parsed(text)));
    socket.once('error', (error) => (text === '' ? reject(error) : resolve(parsed(text))));
    socket.once(isPlain ? 'connect' : 'secureConnect', () => socket.write(bytes));
  });
}

/** A request that ends its connection. */
export function rawRequest(target: string, fields: readonly string[], method = 'GET'): string {
  return `${[`${method} ${target} HTTP/1.1`, ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`;
}

function parsed(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0),
    headers: Object.fromEntries(
      fields.map((field) => {
        const at = field.indexOf(':');
        return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()];
      }),
    ),
    body: rest.join('\r\n\r\n'),
    text,
  };
}

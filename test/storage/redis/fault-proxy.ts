import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What the way to the server does to what is sent on it. */
export type Fault = 'none' | 'slow' | 'hang' | 'refuse' | 'garbage' | 'trickle' | 'reset-after-send';

export interface FaultProxy {
  readonly port: number;
  /** How often something was sent to the server: its round trips, when one thing is asked for after the other. */
  readonly sent: number;
  /** Lets so much more be sent, then hangs. */
  hangAfter(count: number): void;
  /** Takes effect at once, on connections that are open too. */
  set(fault: Fault): void;
  close(): void;
}

const SLOW_MILLISECONDS = 300;

/** A TCP proxy on the way to a server of this machine. */
export async function startFaultProxy(target: number): Promise<FaultProxy> {
  let fault: Fault = 'none';
  let sent = 0;
  let hangsAt = Infinity;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    if (fault === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      sent += 1;
      if (sent > hangsAt) fault = 'hang';
      if (fault !== 'hang') upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => answer(chunk, client, fault));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reset = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get sent() {
      return sent;
    },
    hangAfter(count) {
      hangsAt = sent + count;
    },
    set(next) {
      hangsAt = Infinity;
      fault = next;
      if (next === 'refuse') reset();
    },
    close() {
      reset();
      server.close();
    },
  };
}

/** The server has done its work; what becomes of its answer. */
function answer(chunk: Buffer, client: Socket, fault: Fault): void {
  switch (fault) {
    case 'none':
      client.write(chunk);
      return;
    case 'slow':
      setTimeout(() => client.write(chunk), SLOW_MILLISECONDS);
      return;
    case 'garbage':
      client.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\0\xff\r\n\r\n', 'latin1'));
      return;
    case 'trickle':
      client.write('$1000000\r\n');
      trickle(client);
      return;
    case 'reset-after-send':
      client.resetAndDestroy();
      return;
    case 'hang':
    case 'refuse':
      return;
  }
}

/** Bytes of an answer that never ends, for as long as the connection is open. */
function trickle(client: Socket): void {
  const timer = setInterval(() => client.write('.'), 50);
  client.once('close', () => clearInterval(timer));
}

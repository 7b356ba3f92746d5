import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from './attack.ts';

export const ATTACKER = '127.0.0.3';

export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export const identityOf = ({ certificateFile, keyFile }: Target): Identity => ({
  cert: readFileSync(certificateFile, 'utf8'),
  key: readFileSync(keyFile, 'utf8'),
});

export function plainSocket(port: number): Socket {
  return connectTcp({ port, host: '127.0.0.1', localAddress: ATTACKER }).on('error', () => {});
}

export function tlsSocket(port: number, identity?: Identity): TLSSocket {
  return connect({
    socket: plainSocket(port),
    servername: 'localhost',
    rejectUnauthorized: false,
    ...identity,
  }).on('error', () => {});
}

/** Opens connections, a hundred at a time. */
export async function opened<S extends Socket>(count: number, open: () => S): Promise<S[]> {
  const sockets: S[] = [];
  for (let number = 0; number < count; number += 1) {
    sockets.push(open());
    if (number % 100 === 99) await sleep(20);
  }
  return sockets;
}

export const openOf = (sockets: readonly Socket[]): number =>
  sockets.filter((socket) => !socket.destroyed).length;

/** Counts answers by their status. */
export function statuses(): { count: (status: number) => void; text: () => string } {
  const counts = new Map<number, number>();
  return {
    count: (status) => void counts.set(status, (counts.get(status) ?? 0) + 1),
    text: () => [...counts].map(([status, count]) => `${count} × ${status || 'no answer'}`).join(', '),
  };
}

/** Resolves once the connection is secure or closed. */
export const settled = (socket: TLSSocket): Promise<boolean> =>
  new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(true));
    socket.once('close', () => resolve(false));
  });

/** Status of the answer to one request on a new connection; 0 for none. */
export async function statusOf(socket: Socket, request: string, seconds = 5): Promise<number> {
  socket.write(request);
  const answer = await Promise.race([
    new Promise<string>((resolve) => {
      socket.once('data', (bytes) => resolve(String(bytes)));
      socket.once('close', () => resolve(''));
    }),
    sleep(seconds * 1000, ''),
  ]);
  socket.destroy();
  return Number(answer.slice(9, 12));
}

export function formRequest(
  path: string,
  host: string,
  form: Readonly<Record<string, string>>,
  connection: 'close' | 'keep-alive' = 'close',
): string {
  const body = new URLSearchParams(form).toString();
  return (
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
    `Connection: ${connection}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

interface Repeated {
  readonly open: () => TLSSocket;
  readonly request: string;
  readonly onStatus: (status: number) => void;
}

/** Sends one request again and again on some connections, each after the answer to the last, without a pause. */
export async function askAgain(
  { loops, seconds, most }: { readonly loops: number; readonly seconds: number; readonly most: number },
  { open, request, onStatus }: Repeated,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  const isOver = () => performance.now() >= end || count >= most;
  const connection = (socket: TLSSocket) =>
    new Promise<void>((resolve) => {
      const send = () => {
        if (isOver()) {
          socket.destroy();
          return;
        }
        count += 1;
        socket.write(request);
      };
      socket.once('secureConnect', send);
      socket.on('data', (bytes: Buffer) => {
        const head = bytes.toString('latin1', 0, 16);
        if (!head.startsWith('HTTP/1.1 ')) return;
        onStatus(Number(head.slice(9, 12)));
        send();
      });
      socket.once('close', () => resolve());
    });
  const loop = async () => {
    while (!isOver()) {
      const socket = open();
      const timer = setTimeout(() => socket.destroy(), end - performance.now());
      await connection(socket);
      clearTimeout(timer);
      await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: loops }, loop));
}

/** Repeats an action in some loops until the time is over, with a pause, so that the machine is not the victim. */
export async function inLoops(
  { loops, seconds, most }: { readonly loops: number; readonly seconds: number; readonly most: number },
  act: () => Promise<unknown>,
): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  const loop = async () => {
    while (performance.now() < end && count < most) {
      count += 1;
      await act();
      await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: loops }, loop));
  await sleep(Math.max(0, end - performance.now()));
  return count;
}

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

export function formRequest(path: string, host: string, form: Readonly<Record<string, string>>): string {
  const body = new URLSearchParams(form).toString();
  return (
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
    `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
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

import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Where a listener of this program is bound. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}

const PROBE_MILLISECONDS = 2000;

/**
 * Connects to a listener of this program as a caller would, by TCP and TLS, and resolves with the problem, if any.
 * `onConnect` is called with the local port of the connection.
 */
export async function probeListener(
  address: BoundAddress,
  onConnect?: (localPort: number | undefined) => void,
): Promise<string | undefined> {
  const problem = await probeOnce(address, onConnect);
  // Where `::` does not stand for IPv4 addresses too.
  if (problem !== 'ECONNREFUSED' || address.host !== '::') return problem;
  return probeOnce({ ...address, host: '::1' }, onConnect);
}

function probeOnce(
  address: BoundAddress,
  onConnect?: (localPort: number | undefined) => void,
): Promise<string | undefined> {
  // Whose certificate the listener has does not matter here: nothing is sent.
  const socket = connectTls({ ...placeOf(address), rejectUnauthorized: false });
  socket.once('connect', () => onConnect?.(socket.localPort));
  return outcome(socket, 'secureConnect');
}

/** The same for a listener without TLS, which ends a connection that its caller has ended. */
export function probePlainListener(address: BoundAddress): Promise<string | undefined> {
  const socket = connectTcp(placeOf(address));
  socket.once('connect', () => socket.end());
  socket.resume();
  return outcome(socket, 'end');
}

function outcome(socket: Socket, event: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const end = (problem?: string) => {
      clearTimeout(limit);
      socket.end();
      resolve(problem);
    };
    const limit = setTimeout(() => {
      end('does not answer');
      socket.destroy();
    }, PROBE_MILLISECONDS);
    socket.once(event, () => end());
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.name));
    socket.once('close', () => end('closes connections'));
  });
}

/**
 * Where the system has more than one loopback address, probes come from this one. Other local callers may use up the
 * limits of their address, and probes still pass.
 */
const PROBE_ADDRESS = process.platform === 'linux' ? { localAddress: '127.0.0.200' } : {};
const OF_LOOPBACK = ['::', '0.0.0.0', '127.0.0.1'];

function placeOf({ host, port }: BoundAddress) {
  if (!OF_LOOPBACK.includes(host)) return { host, port };
  return { host: '127.0.0.1', port, ...PROBE_ADDRESS };
}

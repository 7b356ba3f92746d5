import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { invalidConfig } from '../errors.ts';
import type { Ports } from './folder.ts';

const DEFAULTS = { front: 8443, mtls: 8444, resource: 8445, tpp: 8446, app: 8447, register: 8448 } as const;

/**
 * The range of free ports. It lies below the range of outgoing connections, so that a port that is written into
 * certificates is still free at the next start, and above the ports of other protocols (fetch.spec.whatwg.org, "bad port":
 * the highest is 10080), to which browsers and this program send no request.
 */
const RANGE = { from: 11_000, to: 20_000 };

/**
 * A port that is not chosen is the one of the last run, so that tokens and clients survive a restart. A port of 0 is the
 * one of the last run too, or any free one. The port of the revocation service stays the same, since the certificates
 * name it.
 *
 * @throws ERR_CONFIG_INVALID when another port than that is asked for
 */
export async function choosePorts(wanted: Partial<Ports>, last: Partial<Ports> = {}): Promise<Ports> {
  const chosen: number[] = [];
  for (const name of ['front', 'mtls', 'resource', 'tpp', 'app'] as const) {
    const before = last[name];
    const asked = wanted[name] ?? before ?? defaultOf(name, wanted);
    const isKept = asked === 0 && before !== undefined && (await isFree(before));
    chosen.push(asked !== 0 ? asked : isKept ? before : await freePort(chosen));
  }
  const register = await registerPort(wanted, last.register, chosen);
  const [front = 0, mtls = 0, resource = 0, tpp = 0, app = 0] = chosen;
  const revocation = await revocationPort(wanted.revocation ?? 0, last.revocation);
  return { front, mtls, resource, tpp, app, register, revocation };
}

/** A caller that knows no port of the application, and wants any free ones, wants one for that too. */
function defaultOf(name: Exclude<keyof typeof DEFAULTS, 'register'>, { tpp }: Partial<Ports>): number {
  return name === 'app' && tpp === 0 ? 0 : DEFAULTS[name];
}

/** The usual port, or another free one when that is taken: no other machine has the address of the register. */
async function registerPort(
  wanted: Partial<Ports>,
  before: number | undefined,
  taken: readonly number[],
): Promise<number> {
  if (wanted.register !== undefined && wanted.register !== 0) return wanted.register;
  const usual = before ?? (wanted.register === 0 || wanted.tpp === 0 ? 0 : DEFAULTS.register);
  const isUsable = usual !== 0 && !taken.includes(usual) && (await isFree(usual));
  return isUsable ? usual : freePort(taken);
}

async function revocationPort(wanted: number, last: number | undefined): Promise<number> {
  if (last !== undefined && wanted !== 0 && wanted !== last) {
    const message = `the certificates of this sandbox name port ${last}: leave the flag out, or add --reset`;
    throw invalidConfig('command line', [{ path: '--revocation-port', message }]);
  }
  return last ?? (wanted === 0 ? freePort() : wanted);
}

/** A loopback port that was free a moment ago, and none of `taken`. */
export async function freePort(taken: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = randomInt(RANGE.from, RANGE.to);
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
}

/** Whether nothing listens at a loopback port. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

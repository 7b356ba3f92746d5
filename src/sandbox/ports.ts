import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { OpenBankingError } from '../errors.ts';
import type { Ports } from './folder.ts';

/**
 * Where the revocation service of a new sandbox may listen: below the range that systems take for outgoing
 * connections, so that the port that is written into certificates is still free at the next start.
 */
const REVOCATION_PORTS = { from: 18_000, to: 28_000 };

/**
 * A port of 0 becomes the one of the last run, so that tokens and clients survive a restart, or a free one. The port
 * of the revocation service stays what it was: the certificates name it.
 *
 * @throws ERR_CONFIG_INVALID when another port than that is asked for
 */
export async function choosePorts(wanted: Ports, last: Ports | undefined): Promise<Ports> {
  const chosen: number[] = [];
  for (const name of ['front', 'mtls', 'resource'] as const) {
    const before = last?.[name];
    const isKept = wanted[name] === 0 && before !== undefined && (await freePort(before)) === before;
    chosen.push(wanted[name] !== 0 ? wanted[name] : isKept ? before : await freePort(0, chosen));
  }
  const [front = 0, mtls = 0, resource = 0] = chosen;
  return { front, mtls, resource, revocation: await revocationPort(wanted.revocation, last?.revocation) };
}

async function revocationPort(wanted: number, last: number | undefined): Promise<number> {
  if (last !== undefined && wanted !== 0 && wanted !== last) {
    const message = `the certificates of this sandbox name port ${last}: leave the flag out, or add --reset`;
    throw new OpenBankingError('ERR_CONFIG_INVALID', {
      source: 'command line',
      problems: [{ path: '--revocation-port', message }],
    });
  }
  if (last !== undefined || wanted !== 0) return last ?? wanted;
  for (;;) {
    const port = randomInt(REVOCATION_PORTS.from, REVOCATION_PORTS.to);
    if ((await freePort(port)) === port) return port;
  }
}

/** The port if it is free, or any free one for 0; undefined when it is taken. */
function freePort(port: number, taken: readonly number[] = []): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer();
    probe.once('error', (error) => (port === 0 ? reject(error) : resolvePort(0)));
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      const found = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() =>
        taken.includes(found) ? freePort(0, taken).then(resolvePort, reject) : resolvePort(found),
      );
    });
  });
}

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ports } from '../src/sandbox/folder.ts';
import { freePort as anyFreePort } from '../src/sandbox/ports.ts';

const RUN = process.env.SANDBOX_FOLDERS_OF_RUN;
const given = new Set<number>();

/**
 * A loopback port that was free a moment ago, and that no other test of this run gets: between the choice of a port and the
 * start of its server, another file of tests may look for one.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await anyFreePort();
    if (claim(port)) return port;
  }
}

/** The ports of a sandbox that starts for the first time, but for the one that its certificates name. */
export async function freeSandboxPorts(): Promise<Omit<Ports, 'revocation'>> {
  return {
    front: await freePort(),
    mtls: await freePort(),
    resource: await freePort(),
    tpp: await freePort(),
    app: await freePort(),
    register: await freePort(),
  };
}

/** Whether the port is the caller's now: by a file where the tests of a run share a folder, or else in this process. */
function claim(port: number): boolean {
  if (given.has(port)) return false;
  given.add(port);
  if (RUN === undefined) return true;
  const folder = join(RUN, 'ports');
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(join(folder, String(port)), '', { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

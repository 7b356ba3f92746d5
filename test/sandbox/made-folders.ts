import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { isFree } from '../../src/sandbox/ports.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';

/*
 * The certificates and keys of a sandbox cost more CPU time than most test files need beside them. A run of all tests
 * makes a few folders, and each sandbox gets a copy of a folder that no other one has at that time, since certificates
 * name the port of the revocation service.
 */
const POOL = process.env.SANDBOX_FOLDERS_OF_RUN;
const FREE = { front: 0, mtls: 0, resource: 0, tpp: 0 };

/** Copies the certificates and keys of a sandbox to a folder, for its next start. The returned function is called when that sandbox has ended. */
export async function layFolder(folder: string): Promise<() => Promise<void>> {
  if (POOL === undefined) return async () => undefined;
  const made = (await findFree(POOL)) ?? (await makeOne(POOL));
  await cp(made, folder, { recursive: true });
  return () => rm(lockOf(made), { force: true });
}

async function findFree(pool: string): Promise<string | undefined> {
  for (const name of (await readdir(pool)).filter((one) => /^made-[^.]+$/.test(one)).toSorted()) {
    const made = join(pool, name);
    if (!(await isLocked(made))) continue;
    const { ports } = JSON.parse(await readFile(pathsOf(made).state, 'utf8'));
    // A server that a test has left may still listen there.
    if (await isFree(ports.revocation)) return made;
    await rm(lockOf(made));
  }
  return undefined;
}

async function makeOne(pool: string): Promise<string> {
  const draft = await mkdtemp(join(pool, 'new-'));
  await (await startSandbox({ folder: draft, ports: FREE, isAudited: false })).close();
  const { state, store, secret, log, lock, kept } = pathsOf(draft);
  const own = [store, `${store}-wal`, `${store}-shm`, secret, log, lock, ...Object.values(kept)];
  await Promise.all(own.map((path) => rm(path, { recursive: true, force: true })));
  // The other ports are chosen anew for each copy.
  const { ports, ...facts } = JSON.parse(await readFile(state, 'utf8'));
  await writeFile(state, JSON.stringify({ ...facts, ports: { revocation: ports.revocation } }));
  const made = draft.replace('new-', 'made-');
  await isLocked(made);
  await rename(draft, made);
  return made;
}

/** Takes the lock of a made folder; a lock of a process that has ended counts for nothing. */
async function isLocked(made: string): Promise<boolean> {
  const lock = lockOf(made);
  if (isLeft(lock)) await rm(lock, { force: true });
  return writeFile(lock, String(process.pid), { flag: 'wx' }).then(
    () => true,
    () => false,
  );
}

function isLeft(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function lockOf(made: string): string {
  return `${made}.lock`;
}

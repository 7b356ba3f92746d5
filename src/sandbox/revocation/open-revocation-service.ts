import { readFile } from 'node:fs/promises';
import { systemClock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { pathsOf } from '../folder.ts';
import { loadAuthority } from './published-authority.ts';
import { createRevocationService, type RevocationService } from './revocation-service.ts';
import { watchedRevocations } from './revocations.ts';

/** Serves the revocations of a sandbox's folder. */
export async function openRevocationService(
  folder: string,
  options: { readonly port: number; readonly log: Log },
): Promise<RevocationService> {
  const paths = pathsOf(folder);
  const issued = await readIssued(folder);
  const service = createRevocationService({
    authorities: await Promise.all(
      Object.entries(issued).map(([name, serials]) => loadAuthority(name, paths.authority(name), serials)),
    ),
    revocations: watchedRevocations(paths.revocations),
    clock: systemClock,
    log: options.log,
  });
  await service.listen(options.port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    const message = `port ${options.port} is taken, and the certificates name it: free it, or start with --reset`;
    const problems = [{ path: '--revocation-port', message }];
    throw new OpenBankingError('ERR_CONFIG_INVALID', { source: folder, problems }, { cause: error });
  });
  return service;
}

/** For each authority that publishes, the serial numbers of its certificates. */
export async function readIssued(folder: string): Promise<Readonly<Record<string, readonly string[]>>> {
  return JSON.parse(await readFile(pathsOf(folder).issued, 'utf8')) as Record<string, string[]>;
}

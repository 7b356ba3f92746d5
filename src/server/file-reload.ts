import type { Log } from '../events.ts';
import { reloadFollowedFiles } from '../files/followed-file.ts';

/** Checks every followed file of this process, and logs how many changed and which are bad. */
export async function reloadFiles(log: Log): Promise<void> {
  const { changed, bad } = await reloadFollowedFiles();
  const problems = bad.map((path) => ({ path, message: 'is bad; the last good copy stays' }));
  log.emit('files.reloaded', { count: changed.length, problems });
}

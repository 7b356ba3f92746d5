/**
 * Takes signals that would end the process before it serves, or open a debugger (SIGUSR1). Called before anything is
 * imported: a worker that starts may get the SIGHUP of its service already.
 */
export function takeSignals(): void {
  process.on('SIGUSR1', () => {});
  if (['serve', 'gateway'].includes(process.argv[2] ?? '')) process.on('SIGHUP', () => {});
}

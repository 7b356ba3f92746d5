/** CPU time of this thread, where the runtime counts by thread (Node 24), else of the process. */
export function cpuMilliseconds(): number {
  const { user, system } = (process.threadCpuUsage ?? process.cpuUsage).call(process);
  return (user + system) / 1000;
}

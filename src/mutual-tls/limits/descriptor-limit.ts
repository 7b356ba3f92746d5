/** Where the system states no limit: what most systems allow a process at least. */
const UNKNOWN = 1024;

/** How many files and connections this process may have open at a time (`ulimit -n`). */
export function descriptorLimit(): number {
  const reporter: typeof process.report & { excludeNetwork?: boolean } = process.report;
  const { excludeNetwork = false } = reporter;
  // The report would ask for the name of every address.
  reporter.excludeNetwork = true;
  const report: unknown = reporter.getReport();
  reporter.excludeNetwork = excludeNetwork;
  const limits = memberOf(report, 'userLimits');
  const soft = memberOf(memberOf(limits, 'open_files'), 'soft');
  if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER;
  return typeof soft === 'number' && soft > 0 ? soft : UNKNOWN;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The time below which such a share of the times is. */
export function shareOf(times: readonly number[]): (share: number) => string {
  const sorted = times.toSorted((a, b) => a - b);
  return (share) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
}

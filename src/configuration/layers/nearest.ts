/** The name with the fewest letters added, left out or replaced, at most so many; undefined of none. */
export function nearestOf(name: string, names: readonly string[], most = Infinity): string | undefined {
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const other of names) {
    const distance = distanceBetween(name.slice(0, MAX_NAME), other);
    if (best === undefined || distance < best.distance) best = { name: other, distance };
  }
  return best !== undefined && best.distance <= most ? best.name : undefined;
}

const MAX_NAME = 200;

/** Levenshtein's distance. */
function distanceBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

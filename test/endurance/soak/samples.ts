/** Memory at a moment. */
export interface Sample {
  readonly seconds: number;
  readonly megabytes: number;
}

/** Megabytes in ten minutes, by the line that fits best. */
export function slopeOf(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
  const [x, y] = [mean(({ seconds }) => seconds), mean(({ megabytes }) => megabytes)];
  const covariance = mean(({ seconds, megabytes }) => (seconds - x) * (megabytes - y));
  return (covariance / mean(({ seconds }) => (seconds - x) ** 2)) * 600;
}

/** What one process wrote about itself after collections of garbage. */
export interface HeapSample extends Sample {
  readonly codeMegabytes: number;
  readonly handles: number;
}

/** By process, from the lines of the witness. */
export function heapSamples(text: string, from: number): readonly (readonly HeapSample[])[] {
  const byProcess = new Map<number, HeapSample[]>();
  for (const line of text.split('\n').filter(Boolean)) {
    const { pid, at, bytes, code, handles } = JSON.parse(line) as Record<
      'pid' | 'at' | 'bytes' | 'code' | 'handles',
      number
    >;
    const samples = byProcess.get(pid) ?? [];
    byProcess.set(pid, samples);
    samples.push({
      seconds: (at - from) / 1000,
      megabytes: (bytes - code) / 1e6,
      codeMegabytes: code / 1e6,
      handles,
    });
  }
  return [...byProcess.values()];
}

import type { TppRegistry } from '../../../tpp-registry/index.ts';
import type { GaugeSample } from './metrics.ts';

/** Longer lists are not read for a metric: reading one would delay requests. */
const MAX_READ = 5000;

interface Counted {
  readonly fetchedAt: Date;
  readonly size: number;
  readonly byStatus: ReadonlyMap<string, number>;
}

/** The size and age of each source of a registry. The records of a copy are counted once. */
export class SourceCounts {
  readonly #registry: TppRegistry;
  readonly #counted = new Map<string, Counted>();

  constructor(registry: TppRegistry) {
    this.#registry = registry;
  }

  gauges(now: number): readonly GaugeSample[] {
    const sources = this.#registry.sources?.() ?? [];
    return sources.flatMap((source): readonly GaugeSample[] => {
      const { name, fetchedAt, size, list } = source;
      const known = this.#counted.get(name);
      const isSame = known?.size === size && known.fetchedAt.getTime() === fetchedAt.getTime();
      const byStatus = isSame ? known.byStatus : countedBy(size, () => list.call(source));
      this.#counted.set(name, { fetchedAt, size, byStatus });
      return [
        {
          name: 'tallystick_registry_age_seconds',
          labels: { source: name },
          value: Math.max((now - fetchedAt.getTime()) / 1000, 0),
        },
        ...[...byStatus].map(([status, value]) => ({
          name: 'tallystick_registry_entries' as const,
          labels: { source: name, status },
          value,
        })),
      ];
    });
  }
}

function countedBy(size: number, list: () => ReturnType<TppRegistry['list']>): ReadonlyMap<string, number> {
  if (size > MAX_READ) return new Map([['all', size]]);
  const counts = new Map<string, number>();
  for (const { status } of list()) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

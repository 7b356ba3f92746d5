import { tracing } from '../../tracing.ts';
import type { Store } from '../../storage/store.ts';
import type { Metrics } from './metrics.ts';

/** The same store, whose operations are timed, and have a span. */
export function measuredStore(store: Store, metrics: Pick<Metrics, 'observe'>): Store {
  const timed = <A extends readonly unknown[], R>(operation: string, work: (...words: A) => Promise<R>) => {
    const done = { operation, outcome: 'done' };
    const refused = { operation, outcome: 'refused' };
    return async (...words: A): Promise<R> => {
      const startedAt = performance.now();
      let outcome = refused;
      try {
        const traces = tracing();
        const result = await (traces.hasSpans
          ? traces.span(`store ${operation}`, { 'db.operation.name': operation }, () => work(...words))
          : work(...words));
        outcome = done;
        return result;
      } finally {
        const seconds = (performance.now() - startedAt) / 1000;
        metrics.observe('tallystick_store_operation_duration_seconds', outcome, seconds);
      }
    };
  };
  return {
    find: timed('find', store.find),
    findByIndex: timed('findByIndex', store.findByIndex),
    listByIndex: timed('listByIndex', store.listByIndex),
    listPage: timed('listPage', store.listPage),
    count: timed('count', store.count),
    put: timed('put', store.put),
    putIfAbsent: timed('putIfAbsent', store.putIfAbsent),
    replace: timed('replace', store.replace),
    consume: timed('consume', store.consume),
    delete: timed('delete', store.delete),
    deleteAll: timed('deleteAll', store.deleteAll),
    deleteByIndex: timed('deleteByIndex', store.deleteByIndex),
    allocate: timed('allocate', store.allocate),
    setBit: timed('setBit', store.setBit),
    hasBit: timed('hasBit', store.hasBit),
    findBits: timed('findBits', store.findBits),
    isHealthy: () => store.isHealthy(),
    close: () => store.close(),
  };
}

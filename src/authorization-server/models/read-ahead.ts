import type { Store, StoredRecord } from '../../storage/store.ts';
import { Provider } from '../provider-internals.ts';

/** Records that the provider will ask for one after the other, read at once. Each serves once, and one request only. */
export interface ReadAhead {
  /** Reads a record now, for the next time that the provider asks for it in the request of this context. */
  begin(ctx: object, kind: string, id: string): Promise<StoredRecord | undefined>;
  find(kind: string, id: string): Promise<StoredRecord | undefined>;
  /** The provider writes the record: what was read is old. */
  forget(kind: string, id: string): void;
}

export function createReadAhead(store: Pick<Store, 'find'>): ReadAhead {
  const requests = new WeakMap<object, Map<string, Promise<StoredRecord | undefined>>>();
  const aheadOfProvider = () => (Provider.ctx === undefined ? undefined : requests.get(Provider.ctx));
  const keyOf = (kind: string, id: string) => `${kind}\0${id}`;
  return {
    begin(ctx, kind, id) {
      const record = store.find(kind, id);
      // It may fail before anybody asks, or nobody may.
      void Promise.allSettled([record]);
      const ahead = requests.get(ctx) ?? new Map<string, Promise<StoredRecord | undefined>>();
      requests.set(ctx, ahead.set(keyOf(kind, id), record));
      return record;
    },
    find(kind, id) {
      const ahead = aheadOfProvider();
      const record = ahead?.get(keyOf(kind, id)) ?? store.find(kind, id);
      ahead?.delete(keyOf(kind, id));
      return record;
    },
    forget(kind, id) {
      aheadOfProvider()?.delete(keyOf(kind, id));
    },
  };
}

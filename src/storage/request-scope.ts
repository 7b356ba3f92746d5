import { AsyncLocalStorage } from 'node:async_hooks';
import { isRefusal, OpenBankingError } from '../errors.ts';
import type { Store } from './store.ts';

const scopes = new AsyncLocalStorage<RequestScope>();

/** One request. The operations of a `failingFast` store in it share `hasFailed`. */
export class RequestScope {
  hasFailed = false;
  /** Set when the request has ended; later operations run as outside any request. */
  isOver = false;

  run<T>(work: () => T): T {
    return scopes.run(this, work);
  }
}

/**
 * The same store, which refuses every further operation of a request after one that failed. A caller thus waits for at
 * most one time-out, although oidc-provider still writes the session after a failure.
 */
export function failingFast(store: Store): Store {
  return {
    find: bounded('find', store.find),
    findByIndex: bounded('find', store.findByIndex),
    listByIndex: bounded('find', store.listByIndex),
    listPage: bounded('find', store.listPage),
    count: bounded('find', store.count),
    put: bounded('put', store.put),
    putIfAbsent: bounded('putIfAbsent', store.putIfAbsent),
    replace: bounded('replace', store.replace),
    consume: bounded('consume', store.consume),
    delete: bounded('delete', store.delete),
    deleteAll: bounded('delete', store.deleteAll),
    deleteByIndex: bounded('deleteByIndex', store.deleteByIndex),
    allocate: bounded('allocate', store.allocate),
    setBit: bounded('setBit', store.setBit),
    hasBit: bounded('find', store.hasBit),
    findBits: bounded('find', store.findBits),
    isHealthy: store.isHealthy,
    close: store.close,
  };
}

function bounded<A extends readonly unknown[], R>(operation: string, work: (...words: A) => Promise<R>) {
  return async (...words: A): Promise<R> => {
    const scope = scopes.getStore();
    if (scope?.hasFailed === true && !scope.isOver) {
      const cause = new Error('it could not answer earlier in this request');
      throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
    }
    try {
      return await work(...words);
    } catch (error) {
      if (scope !== undefined && isRefusal(error, 'ERR_STORAGE_UNAVAILABLE')) scope.hasFailed = true;
      throw error;
    }
  };
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { isRefusal, OpenBankingError } from '../errors.ts';
import type { Store } from './store.ts';

const scopes = new AsyncLocalStorage<RequestScope>();

/** One request: the operations of a `failingFast` store in it know of each other. */
export class RequestScope {
  hasFailed = false;
  /** What goes on after the request is none of its business. */
  isOver = false;

  run<T>(work: () => T): T {
    return scopes.run(this, work);
  }
}

/**
 * The same store, which is not asked again in a request in which it could not answer: each operation has its time, and
 * a caller does not wait for several of them. The provider, for one, writes the session when all else has failed.
 */
export function failingFast(store: Store): Store {
  return {
    find: bounded('find', store.find),
    findByIndex: bounded('find', store.findByIndex),
    listByIndex: bounded('find', store.listByIndex),
    put: bounded('put', store.put),
    putIfAbsent: bounded('putIfAbsent', store.putIfAbsent),
    consume: bounded('consume', store.consume),
    delete: bounded('delete', store.delete),
    deleteByIndex: bounded('deleteByIndex', store.deleteByIndex),
    allocate: bounded('allocate', store.allocate),
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

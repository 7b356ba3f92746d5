import { OpenBankingError } from '../../src/errors.ts';
import type { Store } from '../../src/storage/store.ts';

/**
 * What happens at the `at`-th operation from now on, before it is done or after it was done and is not answered.
 * `fail`: this and all others are refused until the release.
 */
export interface Gate {
  readonly at: number;
  readonly when: 'before' | 'after';
  readonly what: 'park' | 'die' | 'fail';
}

/** Written after a request, which does not wait for it, or read and written in the background. */
const BESIDE_REQUESTS = [
  'ConsentUse',
  'BlocksVersion',
  'Block',
  'ManagementActivity',
  'ManagementRegister',
  'AuditCheckpoint',
  'SeenCertificate',
  'SigningKeyRotation',
];

/** A store that does what another does, and may stop at an operation. */
export interface GatedStore {
  readonly store: Store;
  arm(gate: Gate): void;
  release(): void;
  /** Names of the operations since the last call. */
  trace(): readonly string[];
}

export function gatedStore(inner: Store, onParked: (operation: string) => void): GatedStore {
  let armed: (Gate & { left: number }) | undefined;
  let operations: string[] = [];
  let letGo: (() => void) | undefined;
  let isAway = false;
  const assertThere = (operation: string) => {
    if (isAway) throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation });
  };

  const reach = async (gate: Gate, operation: string): Promise<void> => {
    armed = undefined;
    if (gate.what === 'die') process.kill(process.pid, 'SIGKILL');
    isAway = gate.what === 'fail';
    assertThere(operation);
    const parked = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    onParked(`${gate.when} ${operation}`);
    await parked;
  };
  const gated =
    <A extends readonly unknown[], R>(verb: string, work: (...words: A) => Promise<R>) =>
    async (...words: A): Promise<R> => {
      const operation = `${verb} ${String(words[0])}`;
      if (BESIDE_REQUESTS.includes(String(words[0]))) return work(...words);
      operations.push(operation);
      assertThere(operation);
      if (armed !== undefined) armed.left -= 1;
      const gate = armed?.left === 0 ? armed : undefined;
      if (gate?.when === 'before') await reach(gate, operation);
      const answer = await work(...words);
      if (gate?.when === 'after') await reach(gate, operation);
      return answer;
    };

  return {
    store: {
      find: gated('find', inner.find),
      findByIndex: gated('findByIndex', inner.findByIndex),
      listByIndex: gated('listByIndex', inner.listByIndex),
      listPage: gated('listPage', inner.listPage),
      count: gated('count', inner.count),
      put: gated('put', inner.put),
      putIfAbsent: gated('putIfAbsent', inner.putIfAbsent),
      replace: gated('replace', inner.replace),
      consume: gated('consume', inner.consume),
      delete: gated('delete', inner.delete),
      deleteAll: gated('deleteAll', inner.deleteAll),
      deleteByIndex: gated('deleteByIndex', inner.deleteByIndex),
      allocate: gated('allocate', inner.allocate),
      setBit: gated('setBit', inner.setBit),
      hasBit: gated('hasBit', inner.hasBit),
      findBits: gated('findBits', inner.findBits),
      isHealthy: inner.isHealthy,
      close: inner.close,
    },
    arm: (gate) => {
      armed = { ...gate, left: gate.at };
    },
    release: () => {
      armed = undefined;
      isAway = false;
      letGo?.();
    },
    trace: () => {
      const seen = operations;
      operations = [];
      return seen;
    },
  };
}

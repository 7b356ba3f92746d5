import { createHash } from 'node:crypto';
import type { ProvingTask } from './proving.ts';
import type { ProvingThread } from './proving-thread.ts';

type Prover = Pick<ProvingThread, 'prove'>;

/**
 * Proves what has changed only: a proof depends on nothing but its list, the signers that count and the pivots, so that the
 * same ones have the same proof. Those of the last turn are remembered, by hash of all of them.
 */
export class RememberedProofs {
  #last = new Map<string, Promise<unknown>>();

  /** The prover of one turn; the proofs that no list of it needs are forgotten at its end. */
  async during<T>(thread: Prover, turn: (prover: Prover) => Promise<T>): Promise<T> {
    const used = new Map<string, Promise<unknown>>();
    const prove: Prover['prove'] = (task) => {
      const key = hashOf(task);
      const proof = (this.#last.get(key) ?? thread.prove(task)) as ReturnType<
        typeof thread.prove<typeof task>
      >;
      used.set(key, proof);
      // A refusal is proved again: the thread may have ended.
      proof.catch(() => used.delete(key));
      return proof;
    };
    try {
      return await turn({ prove });
    } finally {
      this.#last = used;
    }
  }
}

function hashOf(task: ProvingTask): string {
  const hash = createHash('sha256');
  const add = (...parts: readonly (string | Uint8Array)[]) => {
    // Of each part its own hash, so that no two lists of parts are the same octets.
    for (const part of parts) hash.update(createHash('sha256').update(part).digest());
  };
  if (task.kind === 'national-list') {
    add(task.kind, task.file.bytes, task.pointer.territory, ...task.pointer.signers);
  } else {
    add(task.kind, task.file.bytes, String(task.pivots.length), ...task.pivots.map(({ bytes }) => bytes));
    add(...task.officialJournal);
  }
  return hash.digest('hex');
}

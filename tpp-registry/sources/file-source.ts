import type { TppRecord } from '../record.ts';
import type { TppRegistry } from '../registry.ts';
import type { RegistrySource, SourceStatement } from '../source.ts';

/** A list of TPPs in a file as a public source: credit institutions, or what another system exports. */
export class FileSource implements RegistrySource {
  readonly name: string;
  readonly #registry: TppRegistry;

  constructor(name: string, registry: TppRegistry) {
    this.name = name;
    this.#registry = registry;
  }

  get fetchedAt(): Date {
    return this.#registry.loadedAt;
  }

  get size(): number {
    return this.#registry.sources?.()[0]?.size ?? this.list().length;
  }

  find(authorizationNumber: string, nca?: string): SourceStatement | undefined {
    const record = this.#registry.find(authorizationNumber, nca);
    if (record === undefined) return undefined;
    return { record, evidence: `file, read at ${this.fetchedAt.toISOString()}` };
  }

  list(): readonly TppRecord[] {
    return this.#registry.list();
  }
}

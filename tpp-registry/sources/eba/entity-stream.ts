const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const OPEN_LIST = 0x5b;
const CLOSE_OBJECT = 0x7d;
const CLOSE_LIST = 0x5d;
/** `[[{disclaimer}], [entity, entity]]`: an entity is an object within two lists. */
const ENTITY_DEPTH = 2;
/** Real entities have up to 20 kB. */
const MAX_ENTITY_BYTES = 1024 * 1024;

/** The reason why bytes are not the JSON of a register. */
export class EntityStreamError extends Error {
  override readonly name = 'EntityStreamError';
}

/**
 * Cuts the JSON of the EBA register into its entities while it arrives, and passes the bytes of each to `take`. Knows strings
 * and brackets only: JSON.parse judges each entity. At most one entity is in memory.
 */
export class EntityStream {
  readonly #take: (entity: Buffer) => void;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #parts: Buffer[] = [];
  #length = 0;
  #isEntity = false;
  #isStarted = false;

  constructor(take: (entity: Buffer) => void) {
    this.#take = take;
  }

  /** @throws EntityStreamError */
  write(chunk: Buffer): void {
    let start = this.#isEntity ? 0 : -1;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInString = false;
        continue;
      }
      if (byte === QUOTE) this.#isInString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (!this.#isStarted && byte !== OPEN_LIST) throw new EntityStreamError('is no list of lists');
        this.#isStarted = true;
        if (this.#depth === ENTITY_DEPTH && byte === OPEN_OBJECT) {
          this.#isEntity = true;
          start = at;
        }
        this.#depth += 1;
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        this.#depth -= 1;
        if (this.#isEntity && this.#depth === ENTITY_DEPTH) {
          this.#keep(chunk.subarray(start, at + 1));
          this.#take(Buffer.concat(this.#parts, this.#length));
          this.#forget();
          start = -1;
        }
      }
    }
    if (this.#isEntity && start !== -1) this.#keep(chunk.subarray(start));
  }

  /** @throws EntityStreamError when the JSON has not ended */
  end(): void {
    if (!this.#isStarted || this.#depth !== 0 || this.#isInString) throw new EntityStreamError('has no end');
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > MAX_ENTITY_BYTES) {
      throw new EntityStreamError(`has an entity of more than ${MAX_ENTITY_BYTES} bytes`);
    }
    // A copy: the chunk may be used for the next bytes.
    this.#parts.push(Buffer.from(part));
  }

  #forget(): void {
    this.#parts = [];
    this.#length = 0;
    this.#isEntity = false;
  }
}

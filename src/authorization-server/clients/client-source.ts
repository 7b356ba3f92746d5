import type { RegisteredClient } from './registered-client.ts';

/** The clients that files name, as the files are at the moment. */
export interface ClientFiles {
  /** The same object while the client is in use and its registration does not change. */
  find(clientId: string): RegisteredClient | undefined;
  has(clientId: string): boolean;
  /** Calls `take` when other clients are in use. */
  follow(take: (change: ClientChange) => void): void;
  close(): Promise<void>;
}

/** Identifiers that the files name now and did not before, and the other way round. */
export interface ClientChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

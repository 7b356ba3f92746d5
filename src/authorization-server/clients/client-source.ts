import type { RegisteredClient } from './registered-client.ts';

/** The clients that files name, as the files are at the moment. */
export interface ClientFiles {
  /** The same object while the client is in use and its registration does not change. */
  find(clientId: string): RegisteredClient | undefined;
  has(clientId: string): boolean;
  /** Clients of a TPP by its organizationIdentifier, at most `limit`. A search of the whole file: for questions, not for requests. */
  listOfTpp(authorizationNumber: string, limit: number): readonly RegisteredClient[];
  /** Calls `take` when other clients are in use. */
  follow(take: (change: ClientChange) => void): void;
  close(): Promise<void>;
}

/** Identifiers that the files name now and did not before, and the other way round. */
export interface ClientChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Store, StoredRecord } from '../storage/store.ts';

const KIND = 'Consent';

/** What a PSU has allowed a TPP: which accounts, which scopes, until when. Access tokens name it as `consent_id`. */
export interface Consent {
  readonly consentId: string;
  /** The grant of the authorization server that carries it out. */
  readonly grantId: string;
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly psuId: string;
  /** The accounts that the PSU chose, by the bank's own identifiers. */
  readonly accountIds: readonly string[];
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface Consents {
  /** Records a consent from now on for `lifetimeSeconds`. */
  create(
    consent: Omit<Consent, 'consentId' | 'createdAt' | 'expiresAt'>,
    lifetimeSeconds: number,
  ): Promise<Consent>;
  /** The consent if it exists, has not expired and has not been revoked. */
  find(consentId: string): Promise<Consent | undefined>;
  /** The consent that the grant carries out. */
  findByGrant(grantId: string): Promise<Consent | undefined>;
  /** Ends a consent; ending one that is over is no error. */
  revoke(consentId: string): Promise<void>;
}

/** The consents in the store. */
export function createConsents(options: { readonly store: Store; readonly clock: Clock }): Consents {
  const { store, clock } = options;
  return {
    async create(consent, lifetimeSeconds) {
      const createdAt = clock.now();
      const created: Consent = Object.freeze({
        ...consent,
        consentId: randomUUID(),
        createdAt,
        expiresAt: new Date(createdAt.getTime() + lifetimeSeconds * 1000),
      });
      await store.put(KIND, created.consentId, {
        value: {
          ...created,
          createdAt: created.createdAt.toISOString(),
          expiresAt: created.expiresAt.toISOString(),
        },
        expiresAt: created.expiresAt,
        indexes: {
          grant: created.grantId,
          psu: created.psuId,
          authorizationNumber: created.authorizationNumber,
        },
      });
      return created;
    },

    find: async (consentId) => restored(await store.find(KIND, consentId)),
    findByGrant: async (grantId) => restored(await store.findByIndex(KIND, 'grant', grantId)),

    revoke: (consentId) => store.delete(KIND, consentId),
  };
}

function restored(record: StoredRecord | undefined): Consent | undefined {
  if (record === undefined) return undefined;
  const stored = record.value as Consent & { readonly createdAt: string; readonly expiresAt: string };
  return Object.freeze({
    ...stored,
    createdAt: new Date(stored.createdAt),
    expiresAt: new Date(stored.expiresAt),
  });
}

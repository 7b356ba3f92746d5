import { createHmac, hkdfSync } from 'node:crypto';
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
  /** The `consent_id` of what a grant carries out, whether or not it still exists: a grant has one consent. */
  idOf(grantId: string): string;
  /** Records a consent from now on for `lifetimeSeconds`. */
  create(
    consent: Omit<Consent, 'consentId' | 'createdAt' | 'expiresAt'>,
    lifetimeSeconds: number,
  ): Promise<Consent>;
  /** The consent if it exists, has not expired and has not been revoked. */
  find(consentId: string): Promise<Consent | undefined>;
  /** Ends a consent; ending one that is over is no error. */
  revoke(consentId: string): Promise<void>;
}

export interface ConsentsOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** A key is derived from it that hides grant identifiers in consent identifiers; 32 bytes. */
  readonly secret: Buffer;
}

/** The consents in the store. */
export function createConsents({ store, clock, secret }: ConsentsOptions): Consents {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'tallystick consents', 32));
  const idOf = (grantId: string) => createHmac('sha256', key).update(grantId).digest('base64url');
  return {
    idOf,

    async create(consent, lifetimeSeconds) {
      const createdAt = clock.now();
      const created: Consent = Object.freeze({
        ...consent,
        consentId: idOf(consent.grantId),
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
          psu: created.psuId,
          authorizationNumber: created.authorizationNumber,
        },
      });
      return created;
    },

    find: async (consentId) => restored(await store.find(KIND, consentId)),
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

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import { identifierHash } from '../../storage/record-protection.ts';
import type { ClientRecord, FoundClient } from '../clients/client-records.ts';
import type { Clients } from '../clients/clients.ts';
import { isClientOf } from '../clients/registered-client.ts';
import { provenTpp } from '../request/tpp-gate.ts';

export interface RegistrationAccessOptions {
  readonly clients: Pick<Clients, 'findToChange'>;
  /** Keys the hashes of the tokens; 32 bytes. */
  readonly secret: Buffer;
  /** Whether each answer to the holder of a token brings the next one (RFC 7592 §5). */
  readonly rotates: boolean;
}

/** A client whose management is allowed to the caller, and how its tokens go on. */
export interface ManagedClient extends FoundClient {
  /** For the answer, which has to have one (RFC 7592 §3): the next token where tokens rotate, otherwise that of the request. */
  readonly accessToken: string;
  /** Hashes of the tokens that are good from now on. */
  readonly accessTokenHashes: readonly string[];
}

const TOKEN_BYTES = 32;
const BEARER = /^Bearer +([\w~+/.-]{1,256}=*) *$/i;

/**
 * The holder of a registration access token may manage the client of the token, over a connection with any certificate of the
 * same TPP. Tokens are stored as keyed hashes.
 *
 * Where tokens rotate, the token before the last stays good until the last is used: an answer that was lost locks no TPP out.
 */
export class RegistrationAccess {
  readonly #options: RegistrationAccessOptions;
  readonly #hash: (kind: string, token: string) => string;

  constructor(options: RegistrationAccessOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
  }

  create(): { readonly token: string; readonly hash: string } {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    return { token, hash: this.#hashOf(token) };
  }

  /** @throws ERR_REGISTRATION_ACCESS, for an unknown client too: no caller finds out which clients there are */
  async authorize(ctx: Context, clientId: string): Promise<ManagedClient> {
    const [, token] = BEARER.exec(ctx.get('authorization')) ?? [];
    const tpp = provenTpp(ctx);
    const found = await this.#options.clients.findToChange(clientId);
    const hashes = found?.record.registration?.accessTokenHashes;
    if (token === undefined || tpp === undefined || found === undefined || hashes === undefined)
      throw refused();
    const { authorizationNumber, nca } = tpp;
    const isOwn = isClientOf(found.record.client, { authorizationNumber, nca: nca.id });
    const used = hashes.find((hash) => isSame(hash, this.#hashOf(token)));
    if (!isOwn || used === undefined) throw refused();
    if (!this.#options.rotates) return { ...found, accessToken: token, accessTokenHashes: [used] };
    const next = this.create();
    return { ...found, accessToken: next.token, accessTokenHashes: [next.hash, used] };
  }

  #hashOf(token: string): string {
    return this.#hash('RegistrationAccessToken', token);
  }
}

/** Whether the token of a request changes what is stored about tokens. */
export function hasOtherTokens({ record, accessTokenHashes }: ManagedClient): boolean {
  const { accessTokenHashes: stored = [] } = record.registration ?? {};
  return stored.join(' ') !== accessTokenHashes.join(' ');
}

/** The facts of a registration, with the tokens that are good from now on. */
export function withTokens({ record, accessTokenHashes }: ManagedClient): ClientRecord['registration'] {
  return record.registration && { ...record.registration, accessTokenHashes };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function refused(): OpenBankingError {
  return new OpenBankingError('ERR_REGISTRATION_ACCESS', {});
}

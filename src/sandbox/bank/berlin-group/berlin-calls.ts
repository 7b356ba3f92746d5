import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { DetailTypes } from '../../../consent/details/detail-types.ts';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import type { Consent, Tpp } from '../../../index.ts';
import { authorizationOf, type Covers, koaProtection } from '../../../resource-server/index.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { certifiedTpp } from '../api/certified-tpp.ts';
import { readBody } from '../api/request-body.ts';
import { berlinBodyRefusal, berlinDetailRefusal, berlinRefusal } from './berlin-refusals.ts';

const REFERENCE = 'berlin-group';
export const BERLIN_BASE = '/v1';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DAY_MILLISECONDS = 86_400_000;
const TYPES = new DetailTypes([], ['accounts', 'payments']);

const SCOPES = { PSP_AI: 'accounts', PSP_PI: 'payments' } as const;
type Role = keyof typeof SCOPES;

/** The rules that every call of the Berlin Group's API has in common. */
export class BerlinCalls {
  readonly #parts: BankParts;

  constructor(parts: BankParts) {
    this.#parts = parts;
  }

  /** Calls of the TPP itself: its certificate is enough, as consents and payments come before any token. */
  ofTpp(role: Role): readonly [Middleware, Middleware] {
    return [requestId, certifiedTpp(this.#parts.authenticator, role)];
  }

  /** Calls for a customer: the token is of the consent that the header `Consent-ID` names. */
  ofCustomer(role: Role, covers?: Covers<Context>): readonly [Middleware, Middleware] {
    const requirement = { scopes: [SCOPES[role]], roles: [role], ...(covers && { covers }) };
    return [requestId, koaProtection(this.#parts.protection, requirement)];
  }

  /** The consent of the token and of the header `Consent-ID`, which is authorised now. */
  async consentOfToken(ctx: Context): Promise<Consent> {
    const named = ctx.get('consent-id');
    if (named === '') throw berlinRefusal('FORMAT_ERROR', 'Consent-ID is missing', 'Consent-ID');
    const { consentId } = authorizationOf(ctx);
    const consent = consentId === undefined ? undefined : await this.#parts.consents.find(consentId);
    if (consent?.reference !== REFERENCE || consent.consentId !== named) {
      throw berlinRefusal('CONSENT_UNKNOWN', 'the token is not of this consent', 'Consent-ID');
    }
    if (consent.status === 'expired') throw berlinRefusal('CONSENT_EXPIRED', 'the consent has expired');
    if (consent.status !== 'authorised') throw berlinRefusal('CONSENT_INVALID', 'the consent is not valid');
    return consent;
  }

  /** A consent of the calling TPP and of this type. One of another TPP is unknown. */
  async consentOfTpp(ctx: Context, type: string): Promise<Consent> {
    const consent = await this.#parts.consents.find(String(ctx.params.id));
    const isOwn =
      consent?.reference === REFERENCE &&
      consent.authorizationNumber === tppOf(ctx).authorizationNumber &&
      consent.details[0]?.type === type;
    if (consent !== undefined && isOwn) return consent;
    throw type === 'account_information'
      ? berlinRefusal('CONSENT_UNKNOWN', 'there is no such consent of this TPP', 'consentId')
      : berlinRefusal('RESOURCE_UNKNOWN', 'there is no such payment of this TPP', 'paymentId');
  }

  /** Stages a consent, which the customer of the TPP can authorise within a day. */
  async stage(ctx: Context, detail: AuthorizationDetail): Promise<Consent> {
    try {
      TYPES.parse([detail]);
    } catch (error) {
      throw berlinDetailRefusal(error);
    }
    const { consents, clock } = this.#parts;
    // The client of a TPP that comes without a registration has the identifier of its certificate.
    const { authorizationNumber } = tppOf(ctx);
    return consents.create({
      reference: REFERENCE,
      ...{ clientId: authorizationNumber, authorizationNumber, details: [detail] },
      expiresAt: new Date(clock.now().getTime() + DAY_MILLISECONDS),
      by: { kind: 'tpp', id: authorizationNumber },
    });
  }

  /** Ends a consent at the wish of its TPP. */
  async end(ctx: Context, { consentId }: Consent): Promise<void> {
    const { authorizationNumber } = tppOf(ctx);
    await this.#parts.consents.revoke(consentId, { by: { kind: 'tpp', id: authorizationNumber } });
    ctx.status = 204;
  }

  /** The links of a resource that waits for the customer. */
  links(path: string) {
    const self = `${BERLIN_BASE}${path}`;
    return {
      scaOAuth: { href: this.#parts.metadataUrl },
      self: { href: self },
      status: { href: `${self}/status` },
    };
  }

  get now(): Date {
    return this.#parts.clock.now();
  }
}

/** The header that every request has, and every answer repeats. */
const requestId: Middleware = async (ctx, next) => {
  const id = ctx.get('x-request-id');
  if (!UUID.test(id)) throw berlinRefusal('FORMAT_ERROR', 'X-Request-ID is not a UUID', 'X-Request-ID');
  ctx.set('x-request-id', id);
  await next();
};

/** The TPP that the certificate has proved. */
function tppOf(ctx: Context): Tpp {
  return ctx.state.tpp as Tpp;
}

export function berlinBody<T>(ctx: Context, schema: z.ZodType<T>): T {
  const read = readBody(ctx, schema);
  if ('fault' in read) throw berlinBodyRefusal(read.fault);
  return read.value;
}

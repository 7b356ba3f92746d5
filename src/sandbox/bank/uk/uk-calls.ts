import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { isRefusal } from '../../../errors.ts';
import { DetailTypes } from '../../../consent/details/detail-types.ts';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import type { Consent } from '../../../index.ts';
import { authorizationOf, type Covers, koaProtection } from '../../../resource-server/index.ts';
import type { BankParts } from '../api/bank-parts.ts';
import type { KeptAnswer, RepeatedRequests } from '../api/repeated-requests.ts';
import { readBody } from '../api/request-body.ts';
import { ukBodyRefusal, ukForbidden, ukRefusal } from './uk-refusals.ts';

/** Scope and role of the three kinds of TPP. */
const ROLES = { accounts: 'PSP_AI', payments: 'PSP_PI', fundsconfirmations: 'PSP_IC' } as const;
type UkScope = keyof typeof ROLES;

export const UK_BASE = '/open-banking/v4.0';
const REFERENCE = 'openbanking_intent_id';
const IDEMPOTENCY_KEY = 'x-idempotency-key';
const MAX_KEY_LENGTH = 40;
const DAY_MILLISECONDS = 86_400_000;
const TYPES = new DetailTypes([], Object.keys(ROLES));

/** `Status` of a consent (`OBInternalConsentStatus1Code`). */
const STATUSES = {
  'awaiting-authorisation': 'AWAU',
  authorised: 'AUTH',
  rejected: 'RJCT',
  revoked: 'CANC',
  expired: 'EXPD',
  consumed: 'COND',
} as const satisfies Record<Consent['status'], string>;

/** The rules that every call of the UK API has in common. */
export class UkCalls {
  readonly #parts: BankParts;
  readonly #repeated: RepeatedRequests;

  constructor(parts: BankParts, repeated: RepeatedRequests) {
    this.#parts = parts;
    this.#repeated = repeated;
  }

  /** Calls of the TPP itself (client credentials): a token of a customer opens none of them. */
  ofTpp(scope: UkScope): readonly [Middleware, Middleware] {
    const alone: Middleware = async (ctx, next) => {
      if (authorizationOf(ctx).consentId !== undefined) {
        throw ukForbidden('this call takes a token of the TPP alone (client credentials)');
      }
      await next();
    };
    return [this.ofCustomer(scope), alone];
  }

  /** Calls for a customer: the token names a consent, which covers the account and the permissions of the call. */
  ofCustomer(scope: UkScope, covers?: Covers<Context>): Middleware {
    const requirement = { scopes: [scope], roles: [ROLES[scope]] };
    return koaProtection(this.#parts.protection, { ...requirement, ...(covers && { covers }) });
  }

  /** The consent of this API that a token of a customer names, which is authorised now. */
  async consentOfToken(ctx: Context): Promise<Consent> {
    const { consentId } = authorizationOf(ctx);
    if (consentId === undefined)
      throw ukForbidden('no customer has consented: the token is of the TPP alone');
    const consent = await this.#parts.consents.find(consentId);
    if (consent?.reference !== REFERENCE) throw ukForbidden('the token names no consent of this API');
    if (consent.status !== 'authorised') throw consentStatusRefusal(consent);
    return consent;
  }

  /** A consent of the calling TPP and of this type. One of another TPP is unknown. */
  async consentOfTpp(ctx: Context, type: string): Promise<Consent> {
    const consent = await this.#parts.consents.find(String(ctx.params.id));
    const isOwn =
      consent?.reference === REFERENCE &&
      consent.clientId === authorizationOf(ctx).clientId &&
      consent.details[0]?.type === type;
    if (consent === undefined || !isOwn) throw ukRefusal('notFound', 'there is no such consent', 'ConsentId');
    return consent;
  }

  /** Stages a consent, which the customer of the TPP can authorise within a day. */
  async stage(ctx: Context, detail: AuthorizationDetail): Promise<Consent> {
    const { clientId, authorizationNumber = '' } = authorizationOf(ctx);
    assertDetail(detail);
    const { consents, clock } = this.#parts;
    return consents.create({
      reference: REFERENCE,
      ...{ clientId, authorizationNumber, details: [detail] },
      expiresAt: new Date(clock.now().getTime() + DAY_MILLISECONDS),
      by: { kind: 'tpp', id: authorizationNumber },
    });
  }

  /** Ends a consent at the wish of its TPP. */
  async end(ctx: Context, { consentId }: Consent): Promise<void> {
    const { authorizationNumber } = authorizationOf(ctx);
    await this.#parts.consents.revoke(consentId, { by: { kind: 'tpp', id: authorizationNumber } });
    ctx.status = 204;
  }

  /** Carries a request out once for its idempotency key, and repeats its answer. */
  async once(ctx: Context, run: () => Promise<KeptAnswer>): Promise<void> {
    const key = ctx.get(IDEMPOTENCY_KEY);
    if (key === '') throw ukRefusal('headerMissing', `${IDEMPOTENCY_KEY} is missing`, IDEMPOTENCY_KEY);
    if (key.length > MAX_KEY_LENGTH) {
      throw ukRefusal('headerInvalid', `${IDEMPOTENCY_KEY} is too long`, IDEMPOTENCY_KEY);
    }
    const { clientId } = authorizationOf(ctx);
    const { body } = ctx.request;
    const answer = await this.#repeated.answerTo({ caller: clientId, route: ctx.path, key, body }, run);
    if (answer === undefined) {
      throw ukRefusal('headerInvalid', 'this key came with another body before', IDEMPOTENCY_KEY);
    }
    ctx.status = answer.status;
    ctx.body = answer.body;
  }

  /** `Links` and `Meta` of an answer about one resource. */
  frame(path: string) {
    return { Links: { Self: `${this.#parts.origin}${UK_BASE}${path}` }, Meta: {} };
  }

  get now(): Date {
    return this.#parts.clock.now();
  }
}

export function ukBody<T>(ctx: Context, schema: z.ZodType<T>): T {
  const read = readBody(ctx, schema);
  if ('fault' in read) throw ukBodyRefusal(read.fault);
  return read.value;
}

/** The members that every consent of this API has in an answer. */
export function ukConsentFacts({ consentId, status, createdAt, statusChangedAt }: Consent) {
  return {
    ConsentId: consentId,
    CreationDateTime: createdAt.toISOString(),
    Status: STATUSES[status],
    StatusUpdateDateTime: statusChangedAt.toISOString(),
  };
}

export function consentStatusRefusal({ status }: Pick<Consent, 'status'>) {
  return ukRefusal('invalidConsentStatus', `the consent has the status ${STATUSES[status]}`, 'ConsentId');
}

/** The authorization server would refuse the same detail later. */
function assertDetail(detail: AuthorizationDetail): void {
  try {
    TYPES.parse([detail]);
  } catch (error) {
    if (!isRefusal(error, 'ERR_AUTHORIZATION_DETAILS')) throw error;
    throw ukRefusal('fieldInvalid', error.details.problem);
  }
}

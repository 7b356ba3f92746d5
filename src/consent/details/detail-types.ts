import type { z } from 'zod';
import { OpenBankingError } from '../../errors.ts';
import { accountInformationSchema, fundsConfirmationSchema } from './account-information.ts';
import type { AuthorizationDetail } from './authorization-detail.ts';
import { endOf } from './members.ts';
import { narrowed } from './narrowing.ts';
import type { DetailCheck } from './own-type.ts';
import { paymentInitiationSchema } from './payment-initiation.ts';

/** A type of authorization details at this server. */
export interface DetailType {
  readonly type: string;
  /** The scope of the APIs that it opens, which a client must have: the role of the TPP follows from the scope. */
  readonly scope: string;
  /** `account-access` can be renewed; `payment` is linked to the authentication of the customer. */
  readonly kind: 'account-access' | 'payment' | 'other';
  /** Why a detail is not of the type, or undefined. */
  readonly findProblem: DetailCheck;
}

/** The types of the standard and of PSD2, each with its scope. */
const STANDARD: readonly DetailType[] = Object.freeze([
  {
    type: 'account_information',
    scope: 'accounts',
    kind: 'account-access',
    findProblem: checkOf(accountInformationSchema),
  },
  {
    type: 'payment_initiation',
    scope: 'payments',
    kind: 'payment',
    findProblem: checkOf(paymentInitiationSchema),
  },
  {
    type: 'funds_confirmation',
    scope: 'fundsconfirmations',
    kind: 'other',
    findProblem: checkOf(fundsConfirmationSchema),
  },
]);

/** The scopes of the standard types. */
export const STANDARD_SCOPES: Readonly<Record<string, string>> = Object.freeze(
  Object.fromEntries(STANDARD.map(({ type, scope }) => [type, scope])),
);

/** More than one authorization needs; each is shown to the customer. */
const MAX_DETAILS = 10;
/** As JSON. */
const MAX_CHARACTERS = 16_384;

/** The types of authorization details of a server (RFC 9396 §10): those whose scope its APIs have. */
export class DetailTypes {
  readonly #types: ReadonlyMap<string, DetailType>;

  constructor(own: readonly DetailType[], apiScopes: readonly string[]) {
    const open = [...STANDARD, ...own].filter(({ scope }) => apiScopes.includes(scope));
    this.#types = new Map(open.map((one) => [one.type, Object.freeze(one)]));
  }

  get names(): readonly string[] {
    return [...this.#types.keys()];
  }

  /** The scope that each type opens. */
  get scopes(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#types].map(([type, { scope }]) => [type, scope]));
  }

  /** The types of details that were parsed. @throws ERR_AUTHORIZATION_DETAILS for a type that is not there any more */
  of(details: readonly AuthorizationDetail[]): readonly DetailType[] {
    return details.map((detail, index) => this.#typeOf(detail, index));
  }

  /**
   * Proves that a value is a list of details of these types, and of nothing else (RFC 9396 §5).
   *
   * @throws ERR_AUTHORIZATION_DETAILS
   */
  parse(value: unknown): readonly AuthorizationDetail[] {
    if (!Array.isArray(value) || value.length === 0) throw refusal('must be a list of objects');
    if (value.length > MAX_DETAILS) throw refusal(`must have at most ${MAX_DETAILS} objects`);
    if (JSON.stringify(value).length > MAX_CHARACTERS) {
      throw refusal(`must have at most ${MAX_CHARACTERS} characters`);
    }
    for (const [index, detail] of value.entries()) this.assertDetail(detail, index);
    return value;
  }

  /** @throws ERR_AUTHORIZATION_DETAILS */
  assertDetail(detail: unknown, index?: number): asserts detail is AuthorizationDetail {
    if (!isObject(detail)) throw refusal('must be an object', index);
    const problem = this.#typeOf(detail, index).findProblem(detail);
    if (problem !== undefined) throw refusal(problem, index);
  }

  /**
   * The parts of allowed details that a token request wishes.
   *
   * @throws ERR_AUTHORIZATION_DETAILS for a wish beyond them
   */
  narrow(
    wishes: readonly AuthorizationDetail[],
    allowed: readonly AuthorizationDetail[],
  ): readonly AuthorizationDetail[] {
    return wishes.map((wished, index) => {
      const isStandard = Object.hasOwn(STANDARD_SCOPES, wished.type);
      const parts = allowed.map((one) => narrowed(wished, one, isStandard));
      const part = parts.find((one) => one !== undefined);
      if (part !== undefined) return part;
      throw refusal('is more than the customer has allowed (RFC 9396 section 6.1)', index);
    });
  }

  #typeOf({ type }: Readonly<Record<string, unknown>>, index?: number): DetailType {
    const found = typeof type === 'string' ? this.#types.get(type) : undefined;
    if (found === undefined) throw refusal(`type must be one of ${this.names.join(', ') || 'none'}`, index);
    return found;
  }
}

/** The day after which the access is over, where the details have one. */
export function validUntilOf(details: readonly AuthorizationDetail[]): Date | undefined {
  const ends = details
    .flatMap(({ validUntil, limits }) => [validUntil, isObject(limits) ? limits.validTo : undefined])
    .filter((end) => typeof end === 'string')
    .map((end) => endOf(end).getTime());
  return ends.length === 0 ? undefined : new Date(Math.min(...ends));
}

function checkOf(schema: z.ZodType): DetailCheck {
  return (detail) => {
    const { error } = schema.safeParse(detail);
    if (error === undefined) return undefined;
    const [issue] = error.issues;
    if (issue?.code === 'unrecognized_keys') {
      return `${[...issue.path, issue.keys[0]?.slice(0, 64)].join('.')} is not a member of the type`;
    }
    return `${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}`.trim();
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refusal(problem: string, index?: number): OpenBankingError<'ERR_AUTHORIZATION_DETAILS'> {
  const place = index === undefined ? '' : `[${index}] `;
  return new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem: `${place}${problem}` });
}

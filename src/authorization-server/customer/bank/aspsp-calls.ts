import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { ApprovalRequest, AspspCall, CustomerHint, FoundCustomer } from './decoupled-approval.ts';
import type {
  AccountChoice,
  AccountsCall,
  AuthenticatedPsu,
  Aspsp,
  AuthenticationAnswer,
  AuthenticationContext,
  AuthenticationState,
  AuthenticationStep,
} from './aspsp.ts';
import {
  type CustomerClaim,
  customerClaimsSchema,
  type CustomerClaimValues,
} from '../claims/customer-claims.ts';
import { malformedAnswer, TimedCalls } from './timed-calls.ts';

export interface AspspCallsOptions {
  readonly aspsp: Aspsp;
  /** How long one call of the bank may take. */
  readonly callSeconds: number;
  readonly clock: Clock;
  readonly acr: AcrOptions;
}

/** The authentication contexts of the bank (OpenID Connect Core §2, `acr`). */
export interface AcrOptions {
  /** Those that logins can reach. Empty: no login has an `acr`. */
  readonly acrValues: readonly string[];
  /** Of a login for which the bank's module names none. */
  readonly defaultAcr?: string | undefined;
}

type AuthenticationValues = Readonly<Record<string, string>>;

const MAX_STATE_BYTES = 4096;
/** For the clock of a bank's core system. */
const CLOCK_TOLERANCE_SECONDS = 60;
/** Names and ids of the page's own elements. */
const RESERVED: ReadonlySet<string> = new Set('csrf step action account login cancel problem who'.split(' '));

const sentence = z.string().min(1).max(300);
const state = z.unknown().refine((value) => value === undefined || isSmallJson(value), {
  error: `must be JSON of at most ${MAX_STATE_BYTES} bytes`,
});
const onPage = {
  title: z.string().min(1).max(80).optional(),
  text: sentence.optional(),
  button: z.string().min(1).max(40).optional(),
  state,
};
const field = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,31}$/i)
    .refine((name) => !RESERVED.has(name), { error: 'is a name of the page' }),
  label: z.string().min(1).max(80),
  type: z.enum(['text', 'password', 'digits']),
  autocomplete: z
    .string()
    .regex(/^[a-z-]{1,40}( [a-z-]{1,40}){0,3}$/)
    .optional(),
  isCustomerName: z.boolean().optional(),
});
const fields = z
  .array(field)
  .min(1)
  .max(8)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, { error: 'has a name twice' });
const form = z.strictObject({ type: z.literal('form'), fields, ...onPage });
const redirect = z.strictObject({
  type: z.literal('redirect'),
  url: z.url({ protocol: /^https$/ }).max(2048),
  ...onPage,
});
const wait = z.strictObject({ type: z.literal('wait'), ...onPage });
const step = z.discriminatedUnion('type', [form, redirect, wait]);
const authenticated = z.strictObject({
  type: z.literal('authenticated'),
  psuId: z.string().min(1).max(255),
  amr: z.array(z.string().min(1).max(40)).min(1).max(10),
  acr: z.string().min(1).max(200).optional(),
  authTime: z.date().optional(),
  linkHash: z.string().max(100).optional(),
});
const refused = z.strictObject({
  type: z.literal('refused'),
  reason: z.enum(['wrong-credentials', 'blocked']),
  text: sentence.optional(),
  next: step.optional(),
});
const answer = z.discriminatedUnion('type', [form, redirect, wait, authenticated, refused]);
/** A bank may pass on records of its core system: other members are dropped. */
const accounts = z
  .array(
    z.object({
      accountId: z.string().min(1).max(128),
      name: z.string().max(200),
      identification: z.string().max(100),
    }),
  )
  .max(1000)
  .refine((all) => new Set(all.map(({ accountId }) => accountId)).size === all.length, {
    error: 'has an accountId twice',
  });
const foundCustomer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('found'), psuId: z.string().min(1).max(255) }),
  z.strictObject({ type: z.literal('unknown') }),
  z.strictObject({ type: z.literal('user-code'), problem: z.enum(['missing', 'wrong']) }),
]);

/**
 * The bank, as the pages call it: each call ends within its time limit, and returns what the contract says.
 *
 * Every method throws ERR_ASPSP_UNAVAILABLE when the bank throws or returns too late, and ERR_ASPSP_ANSWER when the
 * answer is not of the contract.
 */
export class AspspCalls {
  readonly #options: AspspCallsOptions;
  readonly #calls: TimedCalls;

  constructor(options: AspspCallsOptions) {
    this.#options = options;
    this.#calls = new TimedCalls(options.callSeconds);
  }

  /** The first step; undefined when the bank leaves it to the pages. */
  async begin(context: AuthenticationContext): Promise<AuthenticationStep | undefined> {
    const { aspsp } = this.#options;
    if (aspsp.beginAuthentication === undefined) return undefined;
    return this.#calls.run('beginAuthentication', step, async (call) =>
      aspsp.beginAuthentication?.(context, call),
    );
  }

  async answer(
    { state: given, values }: { readonly state: AuthenticationState; readonly values: AuthenticationValues },
    request: AuthenticationContext,
  ): Promise<AuthenticationAnswer> {
    const { aspsp, clock } = this.#options;
    const run = (call: AspspCall) => aspsp.answerAuthentication(given, values, { ...call, request });
    const answered = await this.#calls.run('answerAuthentication', answer, run);
    if (answered.type !== 'authenticated') return answered;
    const latest = clock.now().getTime() + CLOCK_TOLERANCE_SECONDS * 1000;
    if (answered.authTime !== undefined && answered.authTime.getTime() > latest) {
      throw malformedAnswer('answerAuthentication', 'authTime');
    }
    return { ...answered, acr: this.acrOf('answerAuthentication', answered) };
  }

  /** The context that a login has reached. @throws ERR_ASPSP_ANSWER for a value that the configuration does not name */
  acrOf(operation: string, { acr }: Pick<AuthenticatedPsu, 'acr'>): string | undefined {
    const { acrValues, defaultAcr } = this.#options.acr;
    if (acrValues.length === 0) return undefined;
    if (acr !== undefined && !acrValues.includes(acr)) throw malformedAnswer(operation, 'acr');
    return acr ?? defaultAcr;
  }

  listAccounts(
    psuId: string,
    scopes: readonly string[],
    details: AccountsCall['details'],
  ): Promise<readonly AccountChoice[]> {
    const { aspsp } = this.#options;
    return this.#calls.run('listAccounts', accounts, (call) =>
      aspsp.listAccounts(psuId, scopes, { ...call, details }),
    );
  }

  /** Claims of these names, as far as the customer has them. */
  async findClaims(psuId: string, names: readonly CustomerClaim[]): Promise<CustomerClaimValues> {
    const { aspsp } = this.#options;
    if (aspsp.findClaims === undefined || names.length === 0) return {};
    const found = await this.#calls.run('findClaims', customerClaimsSchema, async (call) =>
      aspsp.findClaims?.(psuId, names, call),
    );
    return Object.fromEntries(Object.entries(found).filter(([name]) => names.some((one) => one === name)));
  }

  findCustomer(hint: CustomerHint): Promise<FoundCustomer> {
    const { decoupled } = this.#options.aspsp;
    return this.#calls.run('findCustomer', foundCustomer, async (call) =>
      decoupled?.findCustomer(hint, call),
    );
  }

  async startApproval(request: ApprovalRequest): Promise<void> {
    const { decoupled } = this.#options.aspsp;
    await this.#calls.run('startApproval', z.unknown(), async (call) =>
      decoupled?.startApproval(request, call),
    );
  }
}

function isSmallJson(value: unknown): boolean {
  try {
    const text = JSON.stringify(value);
    return typeof text === 'string' && Buffer.byteLength(text) <= MAX_STATE_BYTES;
  } catch {
    // A cycle, a bigint: no JSON.
    return false;
  }
}

import type { Clock } from '../../../clock.ts';
import type { StrongAuthenticationCalls } from '../bank/strong-authentication-calls.ts';
import { isStrong } from './elements.ts';
import type { Factor, FactorQuestion } from './factors/factor.ts';
import type { Occasion, Proved } from './occasion.ts';
import type { StrongAuthentications } from './strong-authentications.ts';

interface ScaPolicyOptions {
  /** The preferred first. */
  readonly factors: readonly Factor[];
  readonly calls: Pick<StrongAuthenticationCalls, 'exempts'>;
  readonly remembered: Pick<StrongAuthentications, 'lastAt'>;
  readonly clock: Clock;
}

/** An occasion, as far as the policy depends on it. */
type JudgedOccasion = Pick<Occasion, 'requirements' | 'isPayment'> & {
  readonly context: Pick<Occasion['context'], 'clientId' | 'tpp' | 'scopes' | 'details'>;
};

/** Which authentication a login has reached: two elements of different categories, or one under an exemption. */
export type Level = 'strong' | 'single';

/** Contexts that each level reaches: of PSD2 (United Kingdom), Open Finance Brasil and the Australian CDR. */
const REACHED: Readonly<Record<Level, readonly string[]>> = {
  strong: [
    'urn:openbanking:psd2:sca',
    'urn:openbanking:psd2:ca',
    'urn:brasil:openbanking:loa3',
    'urn:brasil:openbanking:loa2',
    'urn:cds.au:cdr:3',
    'urn:cds.au:cdr:2',
  ],
  single: ['urn:openbanking:psd2:ca', 'urn:brasil:openbanking:loa2', 'urn:cds.au:cdr:2'],
};
/** The data of RTS article 10a(1): balances, and transactions of the last 90 days. */
const LIMITED_ACTIONS: ReadonlySet<unknown> = new Set([
  'list_accounts',
  'read_account_details',
  'read_balances',
  'read_transactions',
]);
const LIMITED_DAYS = 90;
const DAY_MILLISECONDS = 86_400_000;

/**
 * Which elements a request needs. Strong customer authentication is the rule. For a payment, one element must be linked to
 * amount and payee (RTS article 5). Access to limited data of accounts can be exempted by the bank (article 10a), but not the
 * first access of a TPP, and not a request that demands the strong context.
 */
export class ScaPolicy {
  readonly #options: ScaPolicyOptions;

  constructor(options: ScaPolicyOptions) {
    this.#options = options;
  }

  /** The level that is enough for the request; undefined while one more element is needed. @throws ERR_ASPSP_UNAVAILABLE */
  async levelOf(
    occasion: JudgedOccasion,
    proved: Pick<Proved, 'psuId' | 'kinds' | 'isLinked'>,
  ): Promise<Level | undefined> {
    if (isStrong(proved.kinds) && (proved.isLinked || !occasion.isPayment)) return 'strong';
    return (await this.#isExempted(occasion, proved.psuId)) ? 'single' : undefined;
  }

  /** The elements of a customer that would do, the preferred first. */
  async offeredTo({ isPayment }: Occasion, question: FactorQuestion): Promise<readonly Factor[]> {
    const available = await Promise.all(
      this.#options.factors
        .filter(({ isLinked }) => isLinked || !isPayment)
        .map(async (factor) => ((await factor.isAvailable(question)) ? [factor] : [])),
    );
    return available.flat();
  }

  async #isExempted({ requirements, isPayment, context }: JudgedOccasion, psuId: string): Promise<boolean> {
    const { remembered, calls, clock } = this.#options;
    const { clientId, tpp, scopes, details } = context;
    if (isPayment || clientId === undefined || tpp === undefined) return false;
    const { isAcrEssential, acrValues } = requirements;
    if (isAcrEssential && acrOf('single', acrValues, []) === undefined) return false;
    // Scopes alone have no limits.
    if (details.length === 0 || !details.every((detail) => isLimited(detail, clock.now()))) return false;
    const lastStrongAt = await remembered.lastAt(psuId, tpp.authorizationNumber);
    if (lastStrongAt === undefined) return false;
    const { authorizationNumber } = tpp;
    return calls.exempts({ psuId, clientId, authorizationNumber, scopes, details, lastStrongAt });
  }
}

/** The context that a login names: the first of the wished ones that its level reaches, else the first of the bank's. */
export function acrOf(
  level: Level,
  wished: readonly string[],
  ofBank: readonly string[],
): string | undefined {
  const reached = REACHED[level];
  return wished.find((value) => reached.includes(value)) ?? reached.find((value) => ofBank.includes(value));
}

/** Whether a detail asks for no more than article 10a(1) exempts. */
function isLimited(detail: Occasion['context']['details'][number], now: Date): boolean {
  if (detail.type !== 'account_information') return false;
  const { actions = [], transactionsFrom } = detail;
  if (!Array.isArray(actions) || !actions.every((action) => LIMITED_ACTIONS.has(action))) return false;
  if (transactionsFrom === undefined) return !actions.includes('read_transactions');
  return Date.parse(String(transactionsFrom)) >= now.getTime() - LIMITED_DAYS * DAY_MILLISECONDS;
}

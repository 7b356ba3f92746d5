import { type Clock, epochSeconds } from '../../../clock.ts';
import { OpenBankingError } from '../../../errors.ts';
import type { TppRecord } from '../../../../tpp-registry/index.ts';
import { assertMet, type AuthenticationRequirements } from '../authentication/authentication-requirements.ts';
import { isStrong, kindsOf } from '../authentication/elements.ts';
import { acrOf, type Level, ScaPolicy } from '../authentication/sca-policy.ts';
import type { StrongAuthentications } from '../authentication/strong-authentications.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import type { AskedAccess } from '../consent/asked-access.ts';
import type { VisitLogin } from './bank-visits.ts';

/** The result of an authentication, as the application reports it. */
export interface ReportedLogin {
  readonly psuId: string;
  /** RFC 8176. */
  readonly amr: readonly string[];
  readonly acr?: string | undefined;
  readonly authTime?: Date | undefined;
  /** Of the request that the customer was shown, and that the elements are linked to. */
  readonly linkHash: string;
  /** The bank applies no strong customer authentication to this access (RTS article 10a). */
  readonly isExempted: boolean;
}

/** The request that a login is for. */
export interface LoginRequest {
  readonly clientId: string;
  readonly tpp: TppRecord;
  readonly asked: AskedAccess;
  readonly requirements: AuthenticationRequirements;
}

interface ReportedLoginsOptions {
  readonly calls: Pick<AspspCalls, 'acrOf'>;
  readonly remembered: StrongAuthentications;
  readonly acrValues: readonly string[];
  readonly clock: Clock;
}

/** For the clock of the application. */
const CLOCK_TOLERANCE_SECONDS = 60;

/** Judges logins that the application of the bank reports by the rules of our own pages. */
export class ReportedLogins {
  readonly #options: ReportedLoginsOptions;

  constructor(options: ReportedLoginsOptions) {
    this.#options = options;
  }

  /** @throws ERR_CONSENT_CHANGED, ERR_CONSENT_CUSTOMER, ERR_AUTHENTICATION_UNMET, ERR_ASPSP_ANSWER, ERR_BANK_REQUEST */
  async judged(reported: ReportedLogin, request: LoginRequest): Promise<VisitLogin> {
    const now = this.#options.clock.now();
    const { psuId, amr, authTime = now, linkHash } = reported;
    const { asked, requirements } = request;
    assertLinked(asked, linkHash);
    if (asked.customer !== undefined && asked.customer !== psuId) {
      throw new OpenBankingError('ERR_CONSENT_CUSTOMER', { consentId: asked.consent?.consentId ?? '' });
    }
    if (authTime.getTime() > now.getTime() + CLOCK_TOLERANCE_SECONDS * 1000) {
      throw new OpenBankingError('ERR_BANK_REQUEST', {
        member: 'body.authTime',
        problem: 'is in the future',
      });
    }
    const level = await this.#levelOf(reported, request);
    const acr = this.#acrOf(reported, level, requirements);
    assertMet(requirements, { psuId, acr, authTime }, now);
    const methods = isStrong(kindsOf(amr)) ? [...new Set([...amr, 'mfa'])] : amr;
    return {
      psuId,
      amr: methods,
      acr,
      authTime: epochSeconds(authTime),
      linkHash,
      isStrong: level === 'strong',
    };
  }

  /** For the exemption of later accesses (RTS article 10a). */
  async remember({ psuId, isStrong: wasStrong }: VisitLogin, { asked, tpp }: LoginRequest): Promise<void> {
    if (wasStrong && !asked.isPayment) {
      await this.#options.remembered.note(psuId, tpp.authorizationNumber);
    }
  }

  async #levelOf({ psuId, amr, isExempted }: ReportedLogin, request: LoginRequest): Promise<Level> {
    const { remembered, clock } = this.#options;
    const { clientId, tpp, asked, requirements } = request;
    const calls = { exempts: () => Promise.resolve(isExempted) };
    const policy = new ScaPolicy({ factors: [], calls, remembered, clock });
    const { isPayment, scopes, details } = asked;
    const { legalName, authorizationNumber } = tpp;
    const context = { clientId, tpp: { legalName, authorizationNumber }, scopes, details };
    const kinds = kindsOf(amr);
    // The application links every element to the hash that it reports.
    const level = await policy.levelOf(
      { isPayment, requirements, context },
      { psuId, kinds, isLinked: true },
    );
    if (level !== undefined) return level;
    throw unmet(
      'amr must have two elements of different kinds (RTS article 4(1)), or the access must be exempted',
    );
  }

  #acrOf(
    reported: ReportedLogin,
    level: Level,
    { acrValues: wished }: AuthenticationRequirements,
  ): string | undefined {
    const { calls, acrValues } = this.#options;
    const own = acrOf(level, wished, acrValues);
    if (reported.acr === undefined) return own ?? calls.acrOf('authentication', reported);
    const acr = calls.acrOf('authentication', reported);
    if (
      level === 'single' &&
      acr !== undefined &&
      acrOf('single', [acr], []) !== acr &&
      acrOf('strong', [acr], []) === acr
    ) {
      throw unmet(`an exempted access does not reach ${acr}`);
    }
    return acr;
  }
}

/** A change of one cent or one letter voids all (RTS article 5(1)(d)). @throws ERR_CONSENT_CHANGED */
export function assertLinked({ linkHash, consent }: AskedAccess, given: string | undefined): void {
  if (given === linkHash) return;
  throw new OpenBankingError('ERR_CONSENT_CHANGED', { consentId: consent?.consentId ?? '' });
}

function unmet(problem: string): OpenBankingError<'ERR_AUTHENTICATION_UNMET'> {
  return new OpenBankingError('ERR_AUTHENTICATION_UNMET', { problem });
}

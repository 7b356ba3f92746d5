import type { Clock } from '../../../clock.ts';
import type { Store } from '../../../storage/store.ts';
import type { Aspsp } from '../bank/aspsp.ts';
import { StrongAuthenticationCalls } from '../bank/strong-authentication-calls.ts';
import type { Confirmations } from '../bank/strong-authentication.ts';
import type { StrongAuthenticationParts } from './authentication.ts';
import { AppConfirmations } from './confirmations.ts';
import { AppFactor } from './factors/app-confirmation.ts';
import type { Factor, FactorName } from './factors/factor.ts';
import { OneTimeCodeFactor } from './factors/one-time-code.ts';
import { PasskeyFactor } from './factors/passkey.ts';
import { TotpFactor } from './factors/totp.ts';
import { UsedAnswers } from './factors/used-answers.ts';
import { Enrolment } from './passkeys/enrolment.ts';
import { Passkeys } from './passkeys/passkeys.ts';
import { StrongAuthentications } from './strong-authentications.ts';

/** `sca` of the configuration. */
export interface ScaOptions {
  /** The elements that customers may use, the preferred first. */
  readonly factors: readonly FactorName[];
  /** The domain of passkeys. Default: the host of the issuer. */
  readonly passkeyDomain?: string | undefined;
}

export interface StrongPartsOptions {
  /** Absent: the bank's own steps are the whole authentication. */
  readonly sca: ScaOptions | undefined;
  readonly aspsp: Aspsp;
  readonly aspspCallSeconds: number;
  readonly issuer: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly secret: Buffer;
}

export interface OpenedStrongParts extends StrongAuthenticationParts {
  readonly confirmations: Confirmations;
  readonly passkeys: Passkeys;
  readonly enrolment: Enrolment;
}

/** Puts the elements of the configuration together, and connects the bank's app. Undefined where `sca` is off. */
export function openStrongParts(options: StrongPartsOptions): OpenedStrongParts | undefined {
  const { sca, aspsp, aspspCallSeconds: callSeconds, issuer, clock, secret } = options;
  if (sca === undefined) return undefined;
  const calls = new StrongAuthenticationCalls({ aspsp, callSeconds });
  const confirmations = new AppConfirmations(options);
  const passkeys = new Passkeys(options);
  const used = new UsedAnswers(options);
  const { hostname, origin } = new URL(issuer);
  const relyingParty = { id: sca.passkeyDomain ?? hostname, origin, name: aspsp.name };
  const made: Readonly<Record<FactorName, Factor>> = {
    passkey: new PasskeyFactor({ clock, passkeys, used, relyingParty }),
    app: new AppFactor({ clock, calls, confirmations }),
    code: new OneTimeCodeFactor({ clock, secret, calls, used }),
    totp: new TotpFactor({ clock, used }),
  };
  calls.connect(confirmations);
  return {
    factors: sca.factors.map((name) => made[name]),
    calls,
    remembered: new StrongAuthentications(options),
    confirmations,
    passkeys,
    enrolment: new Enrolment({ clock, secret, passkeys, used, relyingParty }),
  };
}

import type { Provider } from 'oidc-provider';
import type { Clock } from '../../../clock.ts';
import type { Store } from '../../../storage/store.ts';
import type { AuthorisationStatus } from '../../../tpp/authorisation-status.ts';
import type { Profiles } from '../../profiles/profiles.ts';
import { LoginAttempts } from '../authentication/login-attempts.ts';
import { StrongAuthentications } from '../authentication/strong-authentications.ts';
import type { AcrOptions, AspspCalls } from '../bank/aspsp-calls.ts';
import type { AskedAccesses } from '../consent/asked-access.ts';
import { BankInteractions } from './bank-interactions.ts';
import { BankVisits } from './bank-visits.ts';
import { ReportedLogins } from './reported-login.ts';

interface BankAppParts {
  readonly provider: Provider;
  readonly accesses: Pick<AskedAccesses, 'of'>;
  readonly calls: Pick<AspspCalls, 'acrOf'>;
}

/** The parts of login and consent in the application of the bank that pages and bank API share. */
export interface OpenedBankApp {
  readonly visits: BankVisits;
  readonly interactions: BankInteractions;
}

export function openBankApp(
  options: {
    readonly store: Store;
    readonly clock: Clock;
    readonly secret: Buffer;
    readonly authorisationStatus: AuthorisationStatus;
    readonly profiles: Profiles;
    readonly acr: AcrOptions;
  },
  { provider, accesses, calls }: BankAppParts,
): OpenedBankApp {
  const { store, clock, secret, authorisationStatus, profiles } = options;
  const visits = new BankVisits({ store, clock, secret });
  const remembered = new StrongAuthentications({ store, clock, secret });
  const { acrValues } = options.acr;
  const logins = new ReportedLogins({ calls, remembered, acrValues, clock });
  const attempts = new LoginAttempts({ store, clock, secret });
  const interactions = new BankInteractions(
    { authorisationStatus, profiles, clock },
    { provider, visits, accesses, attempts, logins },
  );
  return { visits, interactions };
}

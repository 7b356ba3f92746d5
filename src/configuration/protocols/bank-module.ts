import type { Aspsp } from '../../authorization-server/customer/bank/aspsp.ts';
import type { FactorName } from '../../authorization-server/customer/authentication/factors/factor.ts';
import { invalidConfig } from '../../errors.ts';

interface Needing {
  readonly customerClaims: readonly string[];
  readonly ciba: { readonly enabled: boolean };
  readonly sca: { readonly enabled: boolean; readonly factors: readonly FactorName[] };
}

/** Refuses a configuration that needs an optional part which the bank's module does not have. @throws ERR_CONFIG_INVALID */
export function assertBankModule(
  { customerClaims, ciba, sca }: Needing,
  { findClaims, decoupled, strong }: Pick<Aspsp, 'findClaims' | 'decoupled' | 'strong'>,
): void {
  const isFactor = (name: FactorName) => sca.enabled && sca.factors.includes(name);
  const needed = [
    { path: 'customerClaims', part: 'findClaims', isMissing: customerClaims.length > 0 && !findClaims },
    { path: 'ciba.enabled', part: 'decoupled', isMissing: ciba.enabled && !decoupled },
    { path: 'sca.enabled', part: 'strong', isMissing: sca.enabled && !strong },
    { path: 'sca.factors', part: 'strong.sendCode', isMissing: isFactor('code') && !strong?.sendCode },
    {
      path: 'sca.factors',
      part: 'strong.connect and strong.askInApp',
      isMissing: isFactor('app') && !(strong?.connect && strong.askInApp),
    },
  ];
  const problems = needed
    .filter(({ isMissing }) => isMissing)
    .map(({ path, part }) => ({ path, message: `needs a module of the bank with ${part}` }));
  if (problems.length > 0) throw invalidConfig('the configuration', problems);
}

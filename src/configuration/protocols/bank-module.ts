import type { Aspsp } from '../../authorization-server/customer/bank/aspsp.ts';
import { invalidConfig } from '../../errors.ts';

interface Needing {
  readonly customerClaims: readonly string[];
  readonly ciba: { readonly enabled: boolean };
}

/** Refuses a configuration that needs an optional part which the bank's module does not have. @throws ERR_CONFIG_INVALID */
export function assertBankModule(
  { customerClaims, ciba }: Needing,
  { findClaims, decoupled }: Pick<Aspsp, 'findClaims' | 'decoupled'>,
): void {
  const needed = [
    { path: 'customerClaims', part: 'findClaims', isMissing: customerClaims.length > 0 && !findClaims },
    { path: 'ciba.enabled', part: 'decoupled', isMissing: ciba.enabled && !decoupled },
  ];
  const problems = needed
    .filter(({ isMissing }) => isMissing)
    .map(({ path, part }) => ({ path, message: `needs a module of the bank with ${part}` }));
  if (problems.length > 0) throw invalidConfig('the configuration', problems);
}

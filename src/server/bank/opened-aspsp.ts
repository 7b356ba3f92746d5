import type { Aspsp } from '../../authorization-server/customer/bank/aspsp.ts';
import { bankAppAspsp } from '../../authorization-server/customer/bank-app/bank-app-aspsp.ts';
import type { Config } from '../../configuration/config.ts';
import { assertBankModule } from '../../configuration/protocols/bank-module.ts';
import { invalidConfig } from '../../errors.ts';

/**
 * The bank: its module, or its application alone.
 *
 * @throws ERR_CONFIG_INVALID where there is neither, or where the configuration needs a part that the bank does not have
 */
export function aspspOf(config: Config, module: Aspsp | undefined): Aspsp {
  const aspsp = module ?? (config.bankApp && bankAppAspsp(config.bankApp.bankName));
  if (aspsp === undefined) {
    const message = 'is required to serve, or bankApp: the server has no login of its own';
    throw invalidConfig('the configuration', [{ path: 'aspspModule', message }]);
  }
  assertBankModule(config, aspsp);
  return aspsp;
}

import { resolve } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { invalidConfig, isRefusal } from '../../errors.ts';
import { silentLog } from '../../events.ts';
import type { TppEvaluation } from '../../tpp/authenticate.ts';
import { assertScopesAllowed } from '../../tpp/authorisation-status.ts';
import type { TrustPreset } from '../../tpp/trust-profile.ts';
import { readConfig } from '../environment.ts';
import { evaluateSelfSigned } from './self-signed-verify.ts';
import { openTppDecision } from '../../server/tpp-decision.ts';

export interface VerifyOptions {
  readonly der: Buffer;
  readonly intermediates: readonly Buffer[];
  readonly clock: Clock;
  readonly profile?: TrustPreset;
  /** Whether responders are asked. Their answers hold for the present only, so not for another time. */
  readonly asksRevocation: boolean;
  readonly scopes: readonly string[];
  /** The client of a self-signed certificate. */
  readonly clientId?: string;
}

/** Makes the decision that the server of a configuration would make, with the steps that led to it. */
export async function verifyCertificate(config: Config, options: VerifyOptions): Promise<TppEvaluation> {
  const { der, intermediates, clock, scopes, clientId } = options;
  const trust = profilesFor(config, options);
  const decision = await openTppDecision({ ...config, trust }, { clock, log: silentLog });
  try {
    const { authenticator, authorisationStatus } = decision;
    const evaluation =
      (await evaluateSelfSigned(config, { der, authorisationStatus, clock, clientId })) ??
      (await authenticator.evaluate({ der, intermediates }));
    return withScopes(evaluation, scopes);
  } finally {
    await decision.close();
  }
}

/** The profiles of that name; when the configuration has none, its rules on all anchors. */
function profilesFor(config: Config, { profile, asksRevocation }: VerifyOptions): Config['trust'] {
  const named = config.trust.filter((one) => profile === undefined || one.profile === profile);
  const chosen =
    named.length > 0 || profile === undefined ? named : config.trust.map((one) => ({ ...one, profile }));
  return asksRevocation
    ? chosen
    : chosen.map((one) => ({ ...one, revocation: { ...one.revocation, mode: 'none' as const } }));
}

function withScopes(evaluation: TppEvaluation, scopes: readonly string[]): TppEvaluation {
  if ('refusal' in evaluation || scopes.length === 0) return evaluation;
  const step = {
    rule: 'scope',
    clause: 'TS 119 495 cl. 5.2.2, PSD2 articles 65–67',
    found: scopes.join(' '),
  };
  try {
    assertScopesAllowed(evaluation.tpp, scopes);
    return { ...evaluation, steps: [...evaluation.steps, step] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { refusal: error, steps: [...evaluation.steps, { ...step, refusal: error }] };
  }
}

/** The configuration of a file, or of the sandbox in a folder. */
export async function configurationFrom(from: {
  readonly config?: string;
  readonly sandbox?: string;
}): Promise<Config> {
  if (from.config !== undefined) return readConfig(from.config);
  const folder = resolve(from.sandbox ?? '');
  const [{ sandboxConfiguration }, { withRegisters }, { readDescription }] = await Promise.all([
    import('../../sandbox/sandbox-configuration.ts'),
    import('../../sandbox/registers/registers-configuration.ts'),
    import('../../sandbox/folder.ts'),
  ]);
  const description = await readDescription(folder);
  if (description === undefined) {
    throw invalidConfig(folder, [{ path: '--sandbox', message: 'there is no sandbox in this folder' }]);
  }
  const configuration = withRegisters(await sandboxConfiguration(folder, description), folder, description);
  const { parseConfig } = await import('../../configuration/config.ts');
  return parseConfig(configuration, { source: folder, folder });
}

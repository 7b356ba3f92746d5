import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import { readRequired } from './required-file.ts';
import { openRevocationPolicy } from './revocation-schema.ts';
import { createTppAuthenticator, type TppAuthenticator } from './tpp/authenticate.ts';
import { type BlockList, createBlockList, openFileBlockList } from './tpp/block-list.ts';
import { createTrustProfile, type TrustProfile } from './tpp/trust-profile.ts';
import { openRevocation, type Revocation } from './x509/revocation.ts';
import { openFileRegistry, type TppRegistry } from '../tpp-registry/index.ts';

/** All that decides about a TPP certificate. */
export interface TppDecision {
  readonly authenticator: TppAuthenticator;
  readonly registry: TppRegistry;
  readonly blockList: BlockList;
  readonly revocation: Revocation;
  close(): Promise<void>;
}

/** What a decision needs of a configuration. */
export type TppDecisionConfig = Pick<
  Config,
  'trust' | 'registry' | 'blockList' | 'revocation' | 'hostCountry'
>;

/**
 * Opens the trust profiles, the registry, the block list and the revocation checker of a configuration.
 *
 * @throws ERR_CONFIG_INVALID, ERR_CERT_MALFORMED, ERR_REGISTRY_INVALID
 */
export async function openTppDecision(
  config: TppDecisionConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<TppDecision> {
  const trustProfiles = await Promise.all(config.trust.map(openTrustProfile));
  const { file, pollSeconds } = config.registry;
  const registry = await openFileRegistry({ file, pollSeconds, clock, log });
  const blockList =
    config.blockList === undefined
      ? createBlockList([])
      : await openFileBlockList({ ...config.blockList, log });
  const { folder, ...caps } = config.revocation;
  const revocation = openRevocation({ ...caps, ...(folder === undefined ? {} : { folder }), clock, log });
  for (const { profile } of config.trust.filter((trust) => trust.revocation.mode === 'none')) {
    log.warn('revocation.not.checked', {
      problems: [{ path: 'trust', message: `revoked certificates are accepted: ${profile}` }],
    });
  }
  const authenticator = createTppAuthenticator({
    trustProfiles,
    registry,
    blockList,
    revocation,
    clock,
    log,
    ...(config.hostCountry === undefined ? {} : { hostCountry: config.hostCountry }),
  });
  return {
    authenticator,
    registry,
    blockList,
    revocation,
    close: async () => {
      await Promise.all([registry, blockList, revocation].map((part) => part.close()));
    },
  };
}

async function openTrustProfile(trust: Config['trust'][number]): Promise<TrustProfile> {
  const [anchorsPem, intermediatesPem, revocation] = await Promise.all([
    readRequired(trust.anchorsFile, 'trust.anchorsFile'),
    trust.intermediatesFile === undefined
      ? undefined
      : readRequired(trust.intermediatesFile, 'trust.intermediatesFile'),
    openRevocationPolicy(trust.revocation),
  ]);
  return createTrustProfile({
    preset: trust.profile,
    anchorsPem,
    ...(intermediatesPem === undefined ? {} : { intermediatesPem }),
    extendedKeyUsage: trust.extendedKeyUsage,
    ...(trust.policies === undefined ? {} : { policies: trust.policies }),
    tolerate: trust.tolerate,
    revocation,
  });
}

import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import type { Log } from '../events.ts';
import { proxyOf } from '../configuration/outbound-schema.ts';
import { relaxedRevocations } from '../configuration/tpp/revocation-schema.ts';
import { type OpenList, openFollowedList } from '../files/followed-list.ts';
import { DecisionChanges } from './audit/decision-changes.ts';
import { createTppAuthenticator, type TppAuthenticatorOptions } from '../tpp/authenticate.ts';
import { AuthorisationStatus } from '../tpp/authorisation-status.ts';
import { type BlockList, createBlockList, openFileBlockList } from '../tpp/block-list/block-list.ts';
import { openTrust } from './registers/opened-trust.ts';
import { openRevocation } from '../x509/revocation/revocation.ts';
import { openRegistry } from './registers/opened-registry.ts';

/**
 * Opens all that decides about a TPP certificate: the trust profiles, the registry, the block list and the revocation
 * checker of a configuration.
 *
 * @throws ERR_CONFIG_INVALID, ERR_REGISTRY_INVALID, ERR_BLOCK_LIST_INVALID, ERR_TRUSTED_LIST_*, ERR_OUTBOUND_*
 */
export async function openTppDecision(
  config: Pick<Config, 'trust' | 'registry' | 'blockList' | 'revocation' | 'outbound' | 'hostCountry'>,
  parts: {
    readonly clock: Clock;
    readonly log: Log;
    readonly openList?: OpenList | undefined;
    /** Reports decisions that changed, and keeps their certificates. */
    readonly audit?: Pick<Audit, 'keepCertificate'> | undefined;
    readonly onAccepted?: TppAuthenticatorOptions['onAccepted'];
    /** Blocks beside those of the file. Default: none. */
    readonly blocks?: Pick<BlockList, 'find' | 'size'> | undefined;
  },
) {
  const { clock, log, openList = openFollowedList, audit, onAccepted, blocks } = parts;
  const openProfile = (one: Config['trust'][number], at: number) =>
    openTrust(one, { place: `trust[${at}]`, outbound: config.outbound, log, clock, openList });
  const [trust, registry] = await Promise.all([
    Promise.all(config.trust.map(openProfile)),
    openRegistry(config, { clock, log, openList }),
  ]);
  const fileBlocks =
    config.blockList === undefined
      ? createBlockList([])
      : await openFileBlockList({ ...config.blockList, log }, openList);
  const blockList = blocks === undefined ? fileBlocks : fileBlocks.beside(blocks);
  const revocation = openRevocation({ ...config.revocation, proxy: proxyOf(config.outbound), clock, log });
  const problems = relaxedRevocations(config.trust);
  if (problems.length > 0) log.emit('revocation.relaxed', { problems });
  const { hostCountry } = config;
  const authorisationStatus = new AuthorisationStatus({ registry, blockList, hostCountry });
  const authenticator = createTppAuthenticator({
    trust,
    authorisationStatus,
    revocation,
    clock,
    log,
    ...(onAccepted === undefined ? {} : { onAccepted }),
  });
  const keepCertificate = (fingerprint: string, pem: string) =>
    audit?.keepCertificate(fingerprint, pem) ?? Promise.resolve();
  return {
    authenticator:
      audit === undefined
        ? authenticator
        : new DecisionChanges({ authenticator, clock, log, keepCertificate }),
    registry,
    trust,
    fileBlocks,
    blockList,
    revocation,
    authorisationStatus,
    close: async () => {
      await Promise.all([registry, fileBlocks, revocation, ...trust].map((part) => part.close()));
    },
  };
}

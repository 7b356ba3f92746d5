import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { openRevocationPolicy } from '../../configuration/tpp/revocation-schema.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { OpenList } from '../../files/followed-list.ts';
import { openListedTrust } from '../../tpp/listed-trust.ts';
import { type FollowedTrustProfile, openTrustProfile } from '../../tpp/trust-files.ts';
import { TrustedListUpkeep } from './trusted-list-upkeep.ts';

export interface TrustParts {
  /** Where the entry stands in the configuration, `trust[0]`. */
  readonly place: string;
  readonly outbound: Config['outbound'];
  readonly log: Log;
  readonly clock: Clock;
  readonly openList: OpenList;
}

const POLL_SECONDS = 1;

/**
 * Opens one entry of `trust`: a profile that follows its files, or the trusted lists.
 *
 * @throws ERR_CONFIG_INVALID, ERR_TRUSTED_LIST_*, ERR_OUTBOUND_*
 */
export async function openTrust(
  { profile: preset, revocation, allowSandboxAnchors, anchorsFile, lists, ...rest }: Config['trust'][number],
  { place, outbound, log, clock, openList }: TrustParts,
): Promise<FollowedTrustProfile> {
  const rules = { preset, ...rest, revocation: await openRevocationPolicy(revocation) };
  if (lists === undefined) {
    if (anchorsFile === undefined) {
      throw invalidConfig(place, [{ path: `${place}.anchorsFile`, message: 'is required, or lists' }]);
    }
    const allowsSandboxAnchors = allowSandboxAnchors;
    return openTrustProfile({ ...rules, anchorsFile, allowsSandboxAnchors, place, log, clock });
  }
  const upkeep = await TrustedListUpkeep.open(lists, {
    place: `${place}.lists`,
    proxy: proxyOf(outbound),
    clock,
    log,
  });
  const { maxAgeSeconds, overdue } = lists;
  const { snapshotFile } = upkeep.folder;
  try {
    const followed = await openListedTrust({
      ...rules,
      maxAgeSeconds,
      overdue,
      snapshotFile,
      pollSeconds: POLL_SECONDS,
      log,
      openList,
    });
    return {
      get current() {
        return followed.current;
      },
      reload: () => followed.reload(),
      close: async () => void (await Promise.all([followed.close(), upkeep.close()])),
    };
  } catch (error) {
    await upkeep.close();
    throw error;
  }
}

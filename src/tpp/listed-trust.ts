import { type OpenList, openFollowedList } from '../files/followed-list.ts';
import { trustedListReader, unpackedSnapshot } from '../trusted-lists/snapshot-reader.ts';
import { ListedIssuers, type ListedIssuersOptions } from './listed-issuers.ts';
import type { FollowedTrustProfile } from './trust-files.ts';
import { listedTrustProfile, type TrustProfileRules } from './trust-profile.ts';

export interface ListedTrustOptions extends TrustProfileRules, ListedIssuersOptions {
  /** `issuers.json` of the folder of the lists. */
  readonly snapshotFile: string;
  readonly pollSeconds?: number | undefined;
  /** Default: this process reads the file. */
  readonly openList?: OpenList | undefined;
}

/**
 * Opens a trust profile whose anchors are the issuers that trusted lists name. A service that a newer copy of the lists
 * withdraws is untrusted at the next request.
 *
 * @throws ERR_TRUSTED_LIST_SNAPSHOT when the first copy is missing or bad
 */
export async function openListedTrust(options: ListedTrustOptions): Promise<FollowedTrustProfile> {
  const { snapshotFile, pollSeconds, log, openList = openFollowedList } = options;
  const followed = await openList({
    reader: trustedListReader,
    source: { file: snapshotFile },
    name: 'trusted-lists',
    log,
    pollSeconds,
    onChange: (records) => {
      profile.current = listedTrustProfile(options, new ListedIssuers(unpackedSnapshot(records), options));
    },
  });
  const issuers = new ListedIssuers(unpackedSnapshot(followed.current), options);
  const profile = {
    current: listedTrustProfile(options, issuers),
    reload: () => followed.reload(),
    close: () => followed.close(),
  };
  return profile;
}

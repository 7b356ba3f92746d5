import { versions } from 'node:process';
import type { Clock } from '../../clock.ts';
import type { KeyState } from '../../authorization-server/signing/key-states.ts';
import type { ConnectionLimits } from '../../mutual-tls/limits/connection-limits.ts';
import type { Store } from '../../storage/store.ts';
import type { TppRegistry } from '../../../tpp-registry/index.ts';
import type { BlockList } from '../../tpp/block-list/block-list.ts';
import type { SeenCertificates } from '../../tpp/seen-certificates.ts';
import type { FollowedTrustProfile } from '../../tpp/trust-files.ts';
import type { Revocation } from '../../x509/revocation/revocation.ts';
import { RELEASE } from './release.ts';
import { SourceCounts } from './source-counts.ts';
import type { GaugeSample, GaugeSource, Metrics } from './metrics.ts';

/** The parts of a server that gauges are read from. */
export interface MeasuredParts {
  readonly clock: Clock;
  readonly connections: Pick<ConnectionLimits, 'counts' | 'most'>;
  readonly store: Pick<Store, 'isHealthy'>;
  readonly signer: { readonly problem: string | undefined; states(): Promise<readonly KeyState[]> };
  readonly decision: {
    readonly registry: TppRegistry;
    readonly blockList: Pick<BlockList, 'size'>;
    readonly trust: readonly Pick<FollowedTrustProfile, 'current'>[];
    readonly revocation: Pick<Revocation, 'crls'>;
  };
  readonly seen: Pick<SeenCertificates, 'endsInUse'>;
  /** The certificates of the listeners, by their field of the configuration. */
  readonly certificates: Readonly<
    Record<string, { readonly current: { readonly notAfter: Date } } | undefined>
  >;
}

const DAY_MILLISECONDS = 86_400_000;
const DAYS_LEFT = [0, 3, 14, 60];
/** Of an issuer's name; names of CAs are shorter. */
const MAX_NAME = 128;

/** Makes the metrics read the state of a server. Each source stands for itself: one that fails leaves out its own. */
export function followServer(metrics: Metrics, parts: MeasuredParts): void {
  const { clock, store, signer, decision } = parts;
  const now = () => clock.now().getTime();
  const counts = new SourceCounts(decision.registry);
  const build = { version: RELEASE, node: versions.node, openssl: versions.openssl };
  const sources: readonly GaugeSource[] = [
    () => [{ name: 'tallystick_build_info', labels: build, value: 1 }],
    async () => [{ name: 'tallystick_store_up', value: (await store.isHealthy()) ? 1 : 0 }],
    () => [{ name: 'tallystick_signing_up', value: signer.problem === undefined ? 1 : 0 }],
    async () => ages(await signer.states(), now()),
    () => connectionGauges(parts),
    () => [{ name: 'tallystick_block_list_entries', value: decision.blockList.size }],
    () => counts.gauges(now()),
    () => trustedListGauges(parts, now()),
    () => crlGauges(parts),
    () => tppCertificateGauges(parts, now()),
    () => serverCertificateGauges(parts),
  ];
  for (const source of sources) metrics.follow(source);
}

function ages(keys: readonly KeyState[], now: number): readonly GaugeSample[] {
  return keys.flatMap(({ state, alg, from }) => {
    if (state !== 'signing' || from === undefined) return [];
    const value = Math.max((now - from.getTime()) / 1000, 0);
    return [{ name: 'tallystick_signing_key_age_seconds', labels: { alg }, value }];
  });
}

function connectionGauges({ connections }: MeasuredParts): readonly GaugeSample[] {
  const states = ['handshake', 'idle', 'busy'] as const;
  const open = connections.counts().flatMap((count) =>
    states.map((state) => ({
      name: 'tallystick_open_connections' as const,
      labels: { listener: count.listener, state },
      value: count[state],
    })),
  );
  return [...open, { name: 'tallystick_open_connections_limit', value: connections.most }];
}

function trustedListGauges({ decision }: MeasuredParts, now: number): readonly GaugeSample[] {
  const lists = decision.trust.flatMap(({ current }) => current.issuers?.lists ?? []);
  return lists.flatMap(({ territory, fetchedAt, nextUpdate }): readonly GaugeSample[] => {
    const labels = { territory };
    const age = {
      name: 'tallystick_trusted_list_age_seconds' as const,
      labels,
      value: (now - fetchedAt.getTime()) / 1000,
    };
    if (nextUpdate === undefined) return [age];
    const value = nextUpdate.getTime() / 1000;
    return [age, { name: 'tallystick_trusted_list_next_update_timestamp_seconds', labels, value }];
  });
}

/** Of several lists of one issuer the one that ends first; the entries of all. */
function crlGauges({ decision }: MeasuredParts): readonly GaugeSample[] {
  const byIssuer = Map.groupBy(decision.revocation.crls, ({ issuer }) => issuer.slice(0, MAX_NAME));
  return [...byIssuer].flatMap(([issuer, lists]): readonly GaugeSample[] => {
    const labels = { issuer };
    const ends = lists.flatMap(({ nextUpdate }) => nextUpdate?.getTime() ?? []);
    const value = lists.reduce((sum, { count }) => sum + count, 0);
    const entries = { name: 'tallystick_crl_entries' as const, labels, value };
    if (ends.length === 0) return [entries];
    const end = Math.min(...ends) / 1000;
    return [entries, { name: 'tallystick_crl_next_update_timestamp_seconds', labels, value: end }];
  });
}

function tppCertificateGauges({ seen }: MeasuredParts, now: number): readonly GaugeSample[] {
  const { endsInUse } = seen;
  if (endsInUse === undefined) return [];
  const found = new Map<string, number>(['expired', '3', '14', '60', 'more'].map((name) => [name, 0]));
  for (const end of endsInUse) {
    const days = (end.getTime() - now) / DAY_MILLISECONDS;
    const most = DAYS_LEFT.find((one) => days <= one);
    const name = most === undefined ? 'more' : most === 0 ? 'expired' : String(most);
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  return [...found].map(([days_left, value]) => ({
    name: 'tallystick_tpp_certificates',
    labels: { days_left },
    value,
  }));
}

/** When the certificates of listeners end. */
export function serverCertificateGauges({
  certificates,
}: Pick<MeasuredParts, 'certificates'>): readonly GaugeSample[] {
  return Object.entries(certificates).flatMap(([place, pair]) =>
    pair === undefined
      ? []
      : [
          {
            name: 'tallystick_server_certificate_expiry_timestamp_seconds' as const,
            labels: { place },
            value: pair.current.notAfter.getTime() / 1000,
          },
        ],
  );
}

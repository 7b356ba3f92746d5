/** The way in which the values of several processes become one. */
type Aggregation = 'sum' | 'max' | 'min' | 'first';

export interface MetricDefinition {
  readonly kind: 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly processes: Aggregation;
  readonly buckets?: readonly number[];
}

const gauge = <const Label extends string>(help: string, processes: Aggregation, ...labels: Label[]) =>
  ({ kind: 'gauge', help, labels, processes }) as const;
const histogram = <const Label extends string>(
  help: string,
  buckets: readonly number[],
  ...labels: Label[]
) => ({ kind: 'histogram', help, labels, processes: 'sum', buckets }) as const;

const REQUEST_SECONDS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const STORE_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5];
const REMOTE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Every metric that is no counter of events, nor of the runtime. `docs/metrics.md` is made from this table. */
export const METRICS = {
  tallystick_http_request_duration_seconds: histogram(
    'time from the head of a request to the end of its answer',
    REQUEST_SECONDS,
    'listener',
    'route',
    'status',
  ),
  tallystick_store_operation_duration_seconds: histogram(
    'time of one operation of the store (`outcome`: done, refused)',
    STORE_SECONDS,
    'operation',
    'outcome',
  ),
  tallystick_revocation_check_duration_seconds: histogram(
    'time until OCSP or CRL answered about one certificate, from the network or the disk',
    REMOTE_SECONDS,
    'outcome',
  ),
  tallystick_issuer_question_duration_seconds: histogram(
    'of a gateway: time until the issuer answered about a token or a consent that was not in memory (`outcome`: answered, failed)',
    REMOTE_SECONDS,
    'question',
    'outcome',
  ),
  tallystick_build_info: gauge('always 1: the release in use', 'first', 'version', 'node', 'openssl'),
  tallystick_processes: gauge('processes that answered for these metrics', 'sum'),
  tallystick_event_loop_delay_seconds: gauge(
    'by how much the event loop was late within the last 15 to 30 seconds; of several processes the worst',
    'max',
    'quantile',
  ),
  tallystick_open_connections: gauge(
    'open connections (`state`: handshake, idle, busy)',
    'sum',
    'listener',
    'state',
  ),
  tallystick_open_connections_limit: gauge('connections that all processes together may have', 'sum'),
  tallystick_store_up: gauge(
    '1 while the store reads and writes, else 0; of several processes the worst',
    'min',
  ),
  tallystick_signing_up: gauge(
    '1 while nothing is known against the place of the signing keys, else 0',
    'min',
  ),
  tallystick_registry_age_seconds: gauge(
    'time since a source of the TPP registry was fetched or read',
    'max',
    'source',
  ),
  tallystick_registry_entries: gauge(
    'TPPs of a source of the registry; of a source with more than 5,000 only in all (`status`: all)',
    'max',
    'source',
    'status',
  ),
  tallystick_block_list_entries: gauge('certificates and TPPs of the block list', 'max'),
  tallystick_trusted_list_age_seconds: gauge('time since a trusted list was fetched', 'max', 'territory'),
  tallystick_trusted_list_next_update_timestamp_seconds: gauge(
    'when a trusted list must be replaced by a newer one',
    'min',
    'territory',
  ),
  tallystick_crl_next_update_timestamp_seconds: gauge(
    'until when the certificate revocation list of an issuer counts',
    'max',
    'issuer',
  ),
  tallystick_crl_entries: gauge('revoked certificates of the list of an issuer', 'max', 'issuer'),
  tallystick_tpp_certificates: gauge(
    'certificates that TPPs have used in the last 30 days, by the days that are left',
    'max',
    'days_left',
  ),
  tallystick_server_certificate_expiry_timestamp_seconds: gauge(
    'when a certificate of this server ends',
    'min',
    'place',
  ),
  tallystick_signing_key_age_seconds: gauge(
    'time since the key that signs was made or put into use',
    'max',
    'alg',
  ),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

type Metrics = typeof METRICS;
export type MetricName = keyof Metrics;
export type HistogramName = {
  [Name in MetricName]: Metrics[Name]['kind'] extends 'histogram' ? Name : never;
}[MetricName];
export type GaugeName = Exclude<MetricName, HistogramName>;
export type LabelsOf<Name extends MetricName> = Readonly<Record<Metrics[Name]['labels'][number], string>>;

import { BANK_API_EVENTS } from './catalogue/events/bank-api-events.ts';
import { API_EVENTS } from './catalogue/events/api-events.ts';
import { AUDIT_EVENTS } from './catalogue/events/audit-events.ts';
import { CUSTOMER_EVENTS } from './catalogue/events/customer-events.ts';
import { CONFIGURATION_EVENTS } from './catalogue/events/configuration-events.ts';
import { CONSENT_EVENTS } from './catalogue/events/consent-events.ts';
import { LOAD_EVENTS } from './catalogue/events/load-events.ts';
import { MANAGEMENT_EVENTS } from './catalogue/events/management-events.ts';
import { REGISTRATION_EVENTS } from './catalogue/events/registration-events.ts';
import { TRACING_EVENTS } from './catalogue/events/tracing-events.ts';
import { KEY_PAIR_EVENTS } from './catalogue/events/key-pair-events.ts';
import { COPY_REFUSED, LOADED, NOT_LOADED, REGISTER_EVENTS } from './catalogue/events/register-events.ts';
import { SIGNING_EVENTS } from './catalogue/events/signing-events.ts';
import {
  audited,
  counted,
  countedLines,
  debug,
  error,
  type EventDefinition,
  type EventFields,
  info,
  recorded,
  timed,
  warn,
} from './event-levels.ts';

export type { EventDefinition, EventFields, EventLevel } from './event-levels.ts';

const REQUEST = [
  'requestId',
  'listener',
  'method',
  'route',
  'status',
  'clientId',
  'authorizationNumber',
  'certificate',
] as const;
const REFUSED = [...REQUEST, 'address', 'interactionId', 'error'] as const;
const WORKER_ENDED = ['worker', 'outcome', 'seconds'] as const;

const refusals = counted('tallystick_refusals_total', 'listener', 'error');
const auditedRefusals = { ...refusals, ...audited };
const faults = counted('tallystick_faults_total');

/** Every event of the program, each with its level, its fields and its uses. `docs/events.md` is this table. */
export const EVENTS = Object.freeze({
  'server.started': info('the authorization server accepts requests', ['issuer', 'count'], audited),
  'server.stopped': info('the authorization server has closed', ['count'], audited),
  'server.unexpected': error(
    'a fault of the program ended a request',
    [...REQUEST, 'address', 'error'],
    faults,
  ),
  'runtime.client_chain_lost': warn(
    'this release of Node (`outcome`) hides the intermediate certificates that a TPP sends: name them in `intermediatesFile`, or run another release',
    ['outcome'],
  ),
  'files.shared': warn('the group of private files may read them (`problems`)', ['problems']),
  'files.reloaded': info(
    'every followed file was checked on SIGHUP: `count` changed ones are in use, `problems` has the bad ones',
    ['count', 'problems'],
    audited,
  ),
  'worker.died': error('a worker ended by `outcome`, and is started again after `seconds`', WORKER_ENDED, {
    ...counted('tallystick_worker_ends_total'),
    ...audited,
  }),
  'worker.stuck': error('a worker did not answer for three seconds and is killed', ['worker'], audited),
  'worker.not_started': error(
    'a worker or stand-in (`outcome`) could not start',
    ['outcome', 'error'],
    audited,
  ),
  'workers.away': error('no worker serves: a stand-in answers 503 until one does', [], {
    ...counted('tallystick_workers_away_total'),
    ...audited,
  }),
  'workers.back': info('a worker serves again, and the stand-in ends', [], audited),
  'connections.lost': warn('`count` connections were closed before a worker had them', ['count']),
  'gateway.started': info('the gateway accepts requests', ['issuer', 'count']),
  'gateway.stopped': info('the gateway has closed'),

  'log.dropped': error(
    'the log could not be written: `count` lines since `since` are missing',
    ['count', 'since'],
    countedLines('tallystick_log_lines_lost_total'),
  ),
  'log.sampled': warn('within a second, `count` more events of this `kind` came from busy sources', [
    'kind',
    'count',
  ]),

  'http.misdirected': warn(
    'a request names another host or no host',
    ['listener', 'address', 'error'],
    audited,
  ),
  'http.malformed': warn(
    'bytes on a connection are no HTTP request',
    ['listener', 'address', 'status', 'error'],
    audited,
  ),
  'http.refused': warn('a request breaks a rule of HTTP', REFUSED, auditedRefusals),
  'tls.refused': info('a TLS handshake failed', ['listener', 'address', 'error'], {
    ...counted('tallystick_tls_refusals_total'),
    ...audited,
  }),
  'connection.refused': warn(
    'a new connection is over a limit of its address or of the process',
    ['listener', 'address', 'error'],
    { ...counted('tallystick_connection_refusals_total', 'listener', 'error'), ...audited },
  ),
  'connection.cut': warn(
    'a connection was closed: it left answers unread, or made room for a newer one',
    ['listener', 'address', 'error'],
    counted('tallystick_connection_cuts_total', 'listener', 'error'),
  ),
  'connection.failed': error('the system refused to accept a connection', ['listener', 'error']),
  'proxy.untrusted_header': warn(
    'certificate headers came from a host that is no proxy',
    REFUSED,
    auditedRefusals,
  ),
  'proxy.malformed_header': warn(
    'the certificate header of a proxy cannot be read',
    REFUSED,
    auditedRefusals,
  ),

  'token.issued': info(
    'the token endpoint answered with tokens',
    [...REQUEST, 'grantType', 'scope', 'consentId'],
    {
      ...counted('tallystick_tokens_issued_total', 'grantType'),
      ...recorded,
    },
  ),
  'token.revoked': info(
    'a client revoked a token of its own (`kind`); with a refresh token or an opaque access token its grant ended too, that of the consent',
    [...REQUEST, 'consentId', 'psu', 'kind'],
    recorded,
  ),
  'client.auth.refused': warn('a client, its TPP or its certificate was refused', REFUSED, auditedRefusals),
  'client.limited': warn('a client sent more requests than it may in a minute', REFUSED, auditedRefusals),
  'grant.refused': warn('a code or a refresh token was refused', REFUSED, auditedRefusals),
  'dpop.refused': warn('a DPoP proof was refused', REFUSED, auditedRefusals),
  'request.refused': warn('a request breaks a rule of OAuth', REFUSED, auditedRefusals),
  'dependency.unavailable': warn('a part that a decision needs did not answer', REFUSED, auditedRefusals),
  'page.template.failed': error(
    'a template of the bank threw: `error` names its file and line',
    REFUSED,
    auditedRefusals,
  ),

  ...CUSTOMER_EVENTS,
  'ciba.polled': debug(
    'a TPP asked for the answer of a customer before there was one, or too often',
    REFUSED,
    counted('tallystick_ciba_polls_total', 'error'),
  ),
  'ciba.ended': info('a TPP was told that a request was denied or has expired', REFUSED, auditedRefusals),
  'tpp.certificate.ending': warn(
    'a certificate in use ends in at most 60, 14 or 3 days: its TPP needs a new one',
    ['authorizationNumber', 'certificate', 'count', 'since'],
  ),
  'tpp.certificate.unrecorded': warn('the certificates seen cannot be written to the store, or read', [
    'error',
  ]),
  'tpp.encoding.tolerated': warn(
    'a certificate deviates from TS 119 495 as its profile tolerates',
    ['authorizationNumber', 'certificateSerial', 'issuer', 'problems'],
    audited,
  ),

  ...API_EVENTS,

  'revocation.answered': debug(
    'OCSP or CRL answered about a certificate: good, revoked, invalid or unavailable',
    ['outcome', 'seconds'],
    {
      ...counted('tallystick_revocation_answers_total', 'outcome'),
      ...timed('tallystick_revocation_check_duration_seconds', 'outcome'),
    },
  ),
  'revocation.revoked': warn('a certificate has been found revoked', ['certificateSerial'], recorded),
  'revocation.unknown': warn('the status of a certificate cannot be had', ['error']),
  'revocation.unknown.accepted': warn(
    'a certificate of unknown status passed, as its policy allows',
    ['error'],
    {
      ...counted('tallystick_revocation_unknown_accepted_total'),
      ...recorded,
    },
  ),
  'revocation.relaxed': warn(
    'the configuration checks revocation less than the default',
    ['problems'],
    audited,
  ),
  'revocation.fault': error('a fault of the program ended a revocation check', ['error'], faults),
  'revocation.refresh.failed': warn('a CRL cannot be renewed; the last one is in use', ['url', 'error']),
  'revocation.crl.rollback': warn('a CRL is older than one that was seen', ['url'], audited),
  'revocation.kept.refused': warn('a copy on disk is damaged or no longer trusted', ['file', 'url', 'error']),
  'revocation.folder.failed': error('the folder of kept answers cannot be used', ['file', 'error']),
  'revocation.unshared': warn('other processes were not informed of a revoked certificate', ['error']),

  'storage.purge.failed': warn('expired records were not deleted', ['error']),
  'storage.redis.away': warn('a connection to Redis is lost', ['error']),
  'storage.redis.back': info('a connection to Redis is back'),
  'storage.redis.server': warn('a setting of a Redis server is risky', ['problems']),
  'storage.redis.refused': error('a setting of a Redis server forbids its use', ['problems']),
  'storage.redis.unchecked': warn('the settings of a Redis server cannot be read', ['error']),
  'storage.redis.secrets': warn('a password or certificate for Redis cannot be read again', ['error']),

  'block-list.loaded': info('a copy of the block list is in use', LOADED, audited),
  'block-list.refused': error(
    'a copy of the block list is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  'clients.loaded': info('a copy of the clients file is in use', LOADED, audited),
  'clients.unshared': warn('ended clients were not exchanged with other processes', ['error']),
  'clients.refused': error(
    'a copy of the clients file is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  ...KEY_PAIR_EVENTS,
  'registry.loaded': info('a copy of the TPP registry is in use', LOADED, audited),
  'registry.refused': error(
    'a copy of the TPP registry is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  ...SIGNING_EVENTS,
  ...CONFIGURATION_EVENTS,
  ...TRACING_EVENTS,
  ...REGISTER_EVENTS,
  ...AUDIT_EVENTS,
  ...CONSENT_EVENTS,
  ...BANK_API_EVENTS,
  ...LOAD_EVENTS,
  ...REGISTRATION_EVENTS,
  ...MANAGEMENT_EVENTS,
  'registration.refused': warn('a registration of a TPP was refused', REFUSED, auditedRefusals),
  'trust.loaded': info('a copy of a trust file is in use', LOADED, audited),
  'trust.certificate.unreadable': warn(
    'certificates of a trust file cannot be read, and are left out',
    ['file', 'problems'],
    audited,
  ),
  'trust.anchor.unusable': warn('an anchor refuses every certificate below it', ['file', 'error'], audited),
  'trust.refused': error('a copy of a trust file is bad; the last good one stays', NOT_LOADED, COPY_REFUSED),

  'bank.unexpected': error('a fault of the demo bank ended a request', ['error']),
  'sandbox.unexpected': error('a fault of the revocation service of the sandbox', ['error']),
});

export type EventName = keyof typeof EVENTS;

/** The fields of one event; those of several where its name is one of several. */
type FieldsOf<Name extends EventName> = Pick<EventFields, (typeof EVENTS)[Name]['fields'][number]>;

/** Where all modules report what happened. Log line, counter and audit record of an event come from here. */
export interface Log {
  emit<Name extends EventName>(name: Name, fields?: FieldsOf<Name>): void;
}

/** One use of events: log lines, counters or the audit record. Called in the order of the events; must not throw. */
export type EventSink = (name: EventName, definition: EventDefinition, fields: EventFields) => void;

/** The same log, which passes each event on to `sink` too. */
export function alsoTo(log: Log, sink: EventSink): Log {
  return Object.freeze({
    emit: (name: EventName, fields: EventFields = {}) => {
      log.emit(name, fields);
      sink(name, EVENTS[name], fields);
    },
  });
}

/** A log that passes each event on to every sink. */
export function logTo(...sinks: readonly EventSink[]): Log {
  return Object.freeze({
    emit: (name: EventName, fields: EventFields = {}) => {
      for (const sink of sinks) sink(name, EVENTS[name], fields);
    },
  });
}

/** The first 16 hexadecimal digits of a thumbprint in base64url, as events name a certificate. */
export function hexPrefix(thumbprint: string): string {
  return Buffer.from(thumbprint, 'base64url').toString('hex').slice(0, 16);
}

/** A log that keeps nothing. */
export const silentLog: Log = logTo();

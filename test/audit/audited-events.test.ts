import { describe, expect, it } from 'vitest';
import { EVENTS, type EventDefinition } from '../../src/events.ts';

/** Every event of the audit record, by the words of the issue that ask for it. */
const AUDITED = {
  'certificate decisions that changed': [
    ...['tpp.decision.changed', 'tpp.decision.unexplained', 'tpp.encoding.tolerated'],
    ...['revocation.revoked', 'revocation.unknown.accepted', 'revocation.relaxed', 'revocation.crl.rollback'],
  ],
  tokens: ['token.issued', 'token.revoked', 'grant.revoked'],
  refusals: [
    ...['tls.refused', 'connection.refused', 'http.malformed', 'http.misdirected', 'http.refused'],
    ...['proxy.untrusted_header', 'proxy.malformed_header', 'client.auth.refused', 'client.limited'],
    ...['grant.refused', 'dpop.refused', 'request.refused', 'registration.refused', 'dependency.unavailable'],
    ...['bank.refused', 'management.refused', 'ciba.not_asked', 'ciba.unknown_customer', 'ciba.ended'],
    'page.template.failed',
  ],
  consents: ['consent.granted', 'consent.denied', 'consent.changed', 'dashboard.access.ended', 'ciba.asked'],
  'SCA results': [
    ...['psu.authenticated', 'psu.login.refused', 'psu.login.blocked', 'psu.login.unmet'],
    ...['psu.login.stopped', 'psu.login.changed', 'psu.login.impossible', 'psu.passkey.changed'],
    ...['dashboard.login', 'bank_app.returned'],
  ],
  'management changes': [
    ...['management.changed', 'management.entered', 'management.left', 'bank.called', 'client.status'],
    ...['client.first_sight', 'registration.created', 'registration.changed', 'registration.deleted'],
    ...['configuration.reloaded', 'configuration.restart_needed', 'configuration.refused', 'files.reloaded'],
    ...['clients.loaded', 'clients.refused', 'block-list.loaded', 'block-list.refused'],
  ],
  keys: [
    ...['signing-keys.loaded', 'signing-keys.refused', 'signing-keys.unfit', 'signing-keys.away'],
    ...['signing-keys.back', 'signing-keys.rotated', 'signing-keys.not_rotated'],
    ...['key-pair.loaded', 'key-pair.refused', 'key-pair.revoked'],
  ],
  'registry imports': [
    ...['registry.loaded', 'registry.refused', 'registry.overdue'],
    ...['eba-register.loaded', 'eba-register.refused', 'eba-register.renewed', 'eba-register.not-renewed'],
    ...['uk-directory.loaded', 'uk-directory.refused', 'uk-directory.renewed', 'uk-directory.not-renewed'],
    ...['uk-directory.incomplete', 'trusted-list.renewed', 'trusted-list.not-renewed'],
    ...['trusted-list.overdue', 'trusted-list.issuer.withdrawn', 'trusted-lists.loaded'],
    ...['trusted-lists.refused', 'trust.loaded', 'trust.refused', 'trust.anchor.unusable'],
    'trust.certificate.unreadable',
  ],
  'what the record has about itself, and about the processes that write it': [
    ...['audit.unavailable', 'audit.available', 'audit.gap', 'audit.summed', 'audit.withheld'],
    ...['audit.chain.completed', 'audit.certificate.unkept', 'server.started', 'server.stopped'],
    ...['worker.died', 'worker.stuck', 'worker.not_started', 'workers.away', 'workers.back'],
  ],
};

/** The other events, and why they have no line. */
const LOG_ONLY = {
  'APIs keep no record': [
    ...['rs.token.refused', 'rs.scope.refused', 'rs.authentication.refused', 'rs.consent.refused'],
    ...['rs.signature.refused', 'rs.answer.unsigned', 'rs.unexpected', 'gateway.started', 'gateway.stopped'],
    ...['bank.unexpected', 'sandbox.unexpected'],
  ],
  'nothing was decided: a part is slow, away or at fault': [
    ...['server.unexpected', 'runtime.client_chain_lost', 'revocation.fault', 'revocation.unknown'],
    ...['revocation.answered', 'revocation.refresh.failed', 'revocation.kept.refused'],
    ...['revocation.folder.failed', 'revocation.unshared', 'clients.unshared', 'clients.end.unfinished'],
    ...['client.keys.not-renewed', 'blocks.unread', 'consent.use.unrecorded', 'dashboard.accounts.unnamed'],
    ...['psu.claims.missing', 'bank.webhook.failed', 'bank.webhook.dropped', 'tpp.certificate.unrecorded'],
    ...['management.activity.unshared', 'tracing.started', 'tracing.unavailable', 'storage.purge.failed'],
    ...['storage.redis.away', 'storage.redis.back', 'storage.redis.server', 'storage.redis.refused'],
    ...['storage.redis.unchecked', 'storage.redis.secrets', 'key-pair.staple.failed'],
    ...['audit.chain.unfinished', 'audit.checkpoint.failed', 'log.dropped', 'log.sampled'],
  ],
  'load and connections': [
    ...['connection.cut', 'connection.failed', 'connections.lost', 'server.overloaded', 'server.relieved'],
  ],
  'notices ahead': ['key-pair.expiring', 'key-pair.chain', 'tpp.certificate.ending', 'files.shared'],
  'another line has the result': [
    ...['ciba.polled', 'ciba.ping.sent', 'ciba.ping.failed', 'bank_app.sent', 'registration.awaiting'],
    ...['tpp.self_checked', 'audit.checkpoint.written'],
  ],
};

const audited = Object.entries<EventDefinition>(EVENTS)
  .filter(([, { isAudited }]) => isAudited === true)
  .map(([name]) => name);

describe('the audit record', () => {
  it('has every security event that the issue names, and no other', () => {
    expect(audited.toSorted()).toEqual(Object.values(AUDITED).flat().toSorted());
  });

  it('leaves out what stands here with its reason: an event is in exactly one of the lists', () => {
    const all = [...Object.values(AUDITED), ...Object.values(LOG_ONLY)].flat();
    expect(all.toSorted()).toEqual(Object.keys(EVENTS).toSorted());
  });

  it('names the customer in every event about one', () => {
    const aboutCustomers = [
      ...[...AUDITED['SCA results'], ...AUDITED.consents, 'grant.revoked', 'token.revoked'],
    ] as (keyof typeof EVENTS)[];
    const without = aboutCustomers.filter(
      (name) => !(EVENTS[name].fields as readonly string[]).includes('psu'),
    );
    expect(without).toEqual([]);
  });
});

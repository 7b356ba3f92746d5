import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../../src/error-catalogue.ts';
import { OpenBankingError } from '../../../src/errors.ts';
import { alsoTo, type EventDefinition, EVENTS, logTo, silentLog } from '../../../src/events.ts';
import { eventCounters } from '../../../src/server/metrics/event-counters.ts';
import { METRICS } from '../../../src/server/metrics/metric-definitions.ts';
import { lastingOf, Metrics, sumOf, textOf } from '../../../src/server/metrics/metrics.ts';

let metrics: Metrics;

beforeEach(() => {
  metrics = new Metrics();
});
afterEach(() => metrics.close());

const lines = async (start: string, of = metrics) =>
  (await of.text()).split('\n').filter((line) => line.startsWith(start));

const refused = (code: 'ERR_CERT_MISSING' = 'ERR_CERT_MISSING') => new OpenBankingError(code, {});

describe('metrics', () => {
  it('count each event that has a counter, by the labels of the catalogue', async () => {
    const log = logTo(metrics.sink);
    log.emit('token.issued', { grantType: 'client_credentials' });
    log.emit('token.issued', { grantType: 'client_credentials' });
    log.emit('client.auth.refused', { listener: 'mtls', error: refused() });
    log.emit('server.unexpected', { error: new TypeError('x') });
    log.emit('log.dropped', { count: 41 });
    log.emit('server.started', { count: 1 });
    expect(await lines('tallystick_tokens_issued_total')).toEqual([
      'tallystick_tokens_issued_total{grant_type="client_credentials"} 2',
    ]);
    expect(await lines('tallystick_refusals_total')).toEqual([
      'tallystick_refusals_total{listener="mtls",code="ERR_CERT_MISSING"} 1',
    ]);
    expect(await lines('tallystick_faults_total')).toEqual(['tallystick_faults_total 1']);
    expect(await lines('tallystick_log_lines_lost_total')).toEqual(['tallystick_log_lines_lost_total 41']);
  });

  it('count the events of a log that they were not made with', async () => {
    alsoTo(silentLog, metrics.sink).emit('ciba.asked');
    expect(await lines('tallystick_ciba_requests_total')).toEqual(['tallystick_ciba_requests_total 1']);
  });

  it('count values that a stranger chose as other (O3)', async () => {
    const log = logTo(metrics.sink);
    for (let at = 0; at < 2000; at += 1) {
      log.emit('token.issued', { grantType: `urn:${at}` });
      log.emit('revocation.answered', { outcome: `outcome ${at}` });
      log.emit('revocation.answered', { outcome: `"}\n${at}` });
    }
    expect(await lines('tallystick_tokens_issued_total')).toEqual([
      'tallystick_tokens_issued_total{grant_type="other"} 2000',
    ]);
    const answers = await lines('tallystick_revocation_answers_total');
    expect(answers.length).toBeLessThanOrEqual(501);
    const total = answers.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    expect(total).toBe(4000);
  });

  it('have a label for the TPP where the bank wants one, and else none', async () => {
    const event = { grantType: 'client_credentials', authorizationNumber: 'PSDGB-FCA-1' } as const;
    const byTpp = new Metrics({ hasTppLabel: true });
    logTo(metrics.sink, byTpp.sink).emit('token.issued', event);
    expect(await lines('tallystick_tokens_issued_total')).toEqual([
      'tallystick_tokens_issued_total{grant_type="client_credentials"} 1',
    ]);
    expect(await lines('tallystick_tokens_issued_total', byTpp)).toEqual([
      'tallystick_tokens_issued_total{grant_type="client_credentials",tpp="PSDGB-FCA-1"} 1',
    ]);
    byTpp.close();
  });

  it('time events that carry seconds', async () => {
    logTo(metrics.sink).emit('revocation.answered', { outcome: 'good', seconds: 0.02 });
    expect(await lines('tallystick_revocation_check_duration_seconds_bucket{le="0.01"')).toEqual([
      'tallystick_revocation_check_duration_seconds_bucket{le="0.01",outcome="good"} 0',
    ]);
    expect(await lines('tallystick_revocation_check_duration_seconds_sum')).toEqual([
      'tallystick_revocation_check_duration_seconds_sum{outcome="good"} 0.02',
    ]);
  });

  it('leave out the gauges of a source that fails or is slow, and answer in bounded time', async () => {
    metrics.follow(() => [{ name: 'tallystick_store_up', value: 1 }]);
    metrics.follow(() => Promise.reject(new Error('away')));
    metrics.follow(() => new Promise(() => undefined));
    expect(await lines('tallystick_store_up')).toEqual(['tallystick_store_up 1']);
    expect(await lines('tallystick_block_list_entries')).toEqual([]);
    expect(await lines('tallystick_processes')).toEqual(['tallystick_processes 1']);
  });

  it('forget a gauge that is stated no longer', async () => {
    let value: number | undefined = 7;
    metrics.follow(() =>
      value === undefined
        ? []
        : [{ name: 'tallystick_registry_age_seconds', labels: { source: 'own' }, value }],
    );
    expect(await lines('tallystick_registry_age_seconds')).toEqual([
      'tallystick_registry_age_seconds{source="own"} 7',
    ]);
    value = undefined;
    expect(await lines('tallystick_registry_age_seconds')).toEqual([]);
  });

  it('of several processes are added up: counters and histograms by sum, gauges as each says', async () => {
    const other = new Metrics();
    for (const [at, one] of [metrics, other].entries()) {
      logTo(one.sink).emit('ciba.asked');
      one.follow(() => [
        { name: 'tallystick_store_up', value: at },
        { name: 'tallystick_registry_age_seconds', labels: { source: 'own' }, value: 10 + at },
      ]);
    }
    const text = await textOf([await metrics.json(), await other.json()]);
    expect(text).toContain('tallystick_ciba_requests_total 2');
    expect(text).toContain('tallystick_store_up 0');
    expect(text).toContain('tallystick_registry_age_seconds{source="own"} 11');
    expect(text).toContain('tallystick_processes 2');
    const ended = await textOf([await metrics.json(), await sumOf([lastingOf(await other.json())])]);
    expect(ended).toContain('tallystick_ciba_requests_total 2');
    expect(ended).toContain('tallystick_processes 1');
    other.close();
  });

  it('have the metrics of the runtime under the names that dashboards for Node know', async () => {
    const text = await metrics.text();
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
    ])
      expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
    expect(text).toMatch(/^tallystick_event_loop_delay_seconds\{quantile="0.99"\} /m);
  });
});

describe('the catalogue of metrics', () => {
  it('names metrics and labels as Prometheus does, with units', () => {
    const counters = eventCounters();
    for (const { name, labels } of counters) {
      expect(name).toMatch(/^tallystick_[a-z_]+_total$/);
      for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
    }
    for (const name of Object.keys(METRICS)) expect(name).toMatch(/^tallystick_[a-z_]+$/);
    const all = [...counters.map(({ name }) => name), ...Object.keys(METRICS)];
    expect(new Set(all).size).toBe(all.length);
  });

  it('gives the events of one counter the same labels', () => {
    const byName = new Map<string, string>();
    for (const { counter } of Object.values<EventDefinition>(EVENTS)) {
      if (counter === undefined) continue;
      const labels = counter.labels.join();
      expect(byName.get(counter.name) ?? labels, counter.name).toBe(labels);
      byName.set(counter.name, labels);
    }
  });

  it('has a histogram for each timer of events', () => {
    for (const { timer, fields } of Object.values<EventDefinition>(EVENTS)) {
      if (timer === undefined) continue;
      const definition = (METRICS as Record<string, { readonly kind: string }>)[timer.name];
      expect(definition?.kind).toBe('histogram');
      expect(fields).toContain('seconds');
    }
  });

  it('counts refusals by codes of their catalogue only', async () => {
    expect(Object.keys(CATALOGUE)).toContain('ERR_CERT_MISSING');
    logTo(metrics.sink).emit('http.refused', { listener: 'front', error: { code: 'ERR_MADE_UP' } });
    expect(await lines('tallystick_refusals_total')).toEqual([
      'tallystick_refusals_total{listener="front",code="ERR_UNEXPECTED"} 1',
    ]);
  });
});

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventCounters } from '../../../src/server/metrics/event-counters.ts';
import { type MetricDefinition, METRICS } from '../../../src/server/metrics/metric-definitions.ts';
import { Metrics } from '../../../src/server/metrics/metrics.ts';

const root = resolve(import.meta.dirname, '../../..');
const fileOf = (name: string) => join(root, 'deploy', name);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const rules: readonly Rule[] = parse(readFileSync(fileOf('prometheus/alerts.yaml'), 'utf8')).groups.flatMap(
  ({ rules: of }: { readonly rules: readonly Rule[] }) => of,
);
const dashboard = JSON.parse(readFileSync(fileOf('grafana/tallystick.json'), 'utf8'));
const panels: readonly Panel[] = dashboard.panels;

/** The labels of each series that a server shows. */
async function known(): Promise<ReadonlyMap<string, readonly string[]>> {
  const metrics = new Metrics();
  const text = await metrics.text();
  metrics.close();
  const runtime = [...text.matchAll(/^# TYPE ((?:process|nodejs)_\w+) /gm)].map(
    ([, name = '']) => [name, []] as const,
  );
  const counters = eventCounters().map(({ name, labels }) => [name, labels] as const);
  const others = Object.entries<MetricDefinition>(METRICS).flatMap(([name, { kind, labels }]) =>
    kind === 'gauge'
      ? [[name, labels] as const]
      : ['_bucket', '_count', '_sum'].map((end) => [`${name}${end}`, [...labels, 'le']] as const),
  );
  return new Map([...runtime, ...counters, ...others, ['up', ['job']]]);
}

/** Each metric of an expression, with the labels of its selector. */
function selectors(expression: string): readonly { readonly name: string; readonly labels: string[] }[] {
  const found = expression.matchAll(/\b(up|(?:tallystick|process|nodejs)_\w+)(?:\{([^}]*)\})?/g);
  return [...found].map(([, name = '', labels = '']) => ({
    name,
    labels: [...labels.matchAll(/(\w+)\s*(?:=~|!=|!~|=)/g)].map(([, label = '']) => label),
  }));
}

async function expectKnown(expressions: readonly string[]): Promise<void> {
  const names = await known();
  for (const expression of expressions) {
    const found = selectors(expression);
    expect(found.length, expression).toBeGreaterThan(0);
    for (const { name, labels } of found) {
      expect([...names.keys()], expression).toContain(name);
      for (const label of labels)
        expect([...(names.get(name) ?? []), 'instance'], expression).toContain(label);
    }
  }
}

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

describe('deploy/prometheus/alerts.yaml', () => {
  it('names metrics and labels that exist', () => expectKnown(rules.map(({ expr }) => expr)));

  it('has for each alert a severity, a summary, and a section of docs/operate.md on what to do', () => {
    const page = readFileSync(join(root, 'docs/operate.md'), 'utf8');
    expect(rules.length).toBeGreaterThan(20);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect(['critical', 'warning', 'info'], alert).toContain(labels.severity);
      expect(annotations.summary, alert).toMatch(/\S/);
      expect(annotations.runbook_url, alert).toBe(`docs/operate.md#${alert.toLowerCase()}`);
      expect(page, alert).toContain(`\n### ${alert}\n\n*${labels.severity}.* `);
    }
    const told = [...page.matchAll(/^### (Tallystick\w+)$/gm)].map(([, name]) => name);
    expect(told).toEqual(rules.map(({ alert }) => alert));
  });

  it('is tried with series that raise each alert, and with series that do not', () => {
    const { tests } = parse(readFileSync(fileOf('prometheus/alerts.test.yaml'), 'utf8'));
    const names = tests.map(({ name }: { readonly name: string }) => name);
    expect(names).toEqual(rules.flatMap(({ alert }) => [`raises ${alert}`, `leaves ${alert}`]));
  });

  it.skipIf(!hasPromtool)(
    'raises and leaves each alert as promtool tries it (skipped without promtool)',
    () => {
      const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'alerts.test.yaml'], {
        cwd: fileOf('prometheus'),
        encoding: 'utf8',
      });
      expect({ status, said: `${stdout}${stderr}`.includes('SUCCESS') }, `${stdout}${stderr}`).toEqual({
        status: 0,
        said: true,
      });
    },
    60_000,
  );

  it('is tried in CI', () => {
    if (process.env.CI === 'true') expect(hasPromtool).toBe(true);
    expect(existsSync(join(root, '.ci/run'))).toBe(true);
  });
});

describe('deploy/grafana/tallystick.json', () => {
  it('names metrics and labels that exist', () =>
    expectKnown(panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))));

  it.skipIf(!hasPromtool)(
    'has expressions that Prometheus understands (skipped without promtool)',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'tallystick-dashboard-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const written = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
      // The values that Grafana puts in place of its variables.
      const expressions = written.map((expr) =>
        expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h').replaceAll('$instance', '.*'),
      );
      const recorded = expressions.map((expr, at) => ({ record: `tallystick:panel_${at}`, expr }));
      const file = join(folder, 'rules.yaml');
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: recorded }] }));
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', file], {
        encoding: 'utf8',
      });
      expect({ status, said: `${stdout}${stderr}` }).toEqual({
        status: 0,
        said: expect.stringContaining(`${expressions.length} rules found`),
      });
    },
    60_000,
  );

  it('is a dashboard that Grafana can import: a title, a source to choose, panels with ids of their own', () => {
    expect(dashboard).toMatchObject({ title: 'Tallystick', uid: 'tallystick', schemaVersion: 39 });
    expect(dashboard.templating.list.map(({ name }: { readonly name: string }) => name)).toEqual([
      'datasource',
      'instance',
    ]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { type, title, targets } of panels) {
      expect(title).not.toBe('');
      expect(type === 'row', title).toBe(targets === undefined);
    }
  });
});

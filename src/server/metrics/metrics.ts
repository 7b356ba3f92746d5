import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EventDefinition, EventFields, EventSink } from '../../events.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import { EventLoopDelay } from './event-loop-delay.ts';
import { eventCounters } from './event-counters.ts';
import { labelName, labelValue, OTHER } from './label-values.ts';
import {
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricDefinition,
  METRICS,
} from './metric-definitions.ts';

/** The values of one gauge at the moment. */
export type GaugeSample = {
  [Name in GaugeName]: { readonly name: Name; readonly labels?: LabelsOf<Name>; readonly value: number };
}[GaugeName];

/** Called when metrics are asked for. A source that fails or is slow leaves its gauges out. */
export type GaugeSource = () => readonly GaugeSample[] | Promise<readonly GaugeSample[]>;

/** The metrics of one process, as processes send them to each other. */
export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

export interface MetricsOptions {
  /** Whether counters of events that name a TPP have its authorization number as a label. Default false. */
  readonly hasTppLabel?: boolean | undefined;
}

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Combinations of label values of one counter; every further one counts as `other`. */
const MAX_SERIES = 500;
const MAX_SERIES_BY_TPP = 5000;
const SOURCE_MILLISECONDS = 400;
const LASTING: readonly string[] = ['counter', 'histogram'];

const UNLABELLED = Object.entries<MetricDefinition>(METRICS).flatMap(([name, { kind, labels }]) =>
  kind === 'gauge' && labels.length === 0 ? [name] : [],
);

/** Metrics of the runtime are of the process, also when there are several servers in it. */
let runtime: Registry | undefined;

/**
 * The metrics of this process: a counter for each event that has one, histograms, and gauges that are read when they are
 * asked for. Adding to a counter or histogram never throws and never waits.
 */
export class Metrics {
  /** The use of events that counts them. */
  readonly sink: EventSink = (_name, definition, fields) => this.#count(definition, fields);
  readonly #registry = new Registry();
  readonly #counters = new Map<string, { readonly counter: Counter; readonly hasTpp: boolean }>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #series = new Map<string, Map<string, Readonly<Record<string, string>>>>();
  readonly #sources: GaugeSource[] = [];
  readonly #collecting = new SingleFlight<MetricsJson>();
  readonly #delay = new EventLoopDelay();
  readonly #maxSeries: number;

  constructor({ hasTppLabel = false }: MetricsOptions = {}) {
    this.#maxSeries = hasTppLabel ? MAX_SERIES_BY_TPP : MAX_SERIES;
    const registers = [this.#registry];
    for (const { name, help, labels, hasTpp: namesTpp, fields } of eventCounters()) {
      const hasTpp = hasTppLabel && namesTpp && !fields.includes('authorizationNumber');
      const labelNames = hasTpp ? [...labels, labelName('authorizationNumber')] : [...labels];
      this.#counters.set(name, { counter: new Counter({ name, help, labelNames, registers }), hasTpp });
    }
    for (const [name, definition] of Object.entries<MetricDefinition>(METRICS)) {
      const { help, labels, processes: aggregator, kind, buckets = [] } = definition;
      const options = { name, help, labelNames: [...labels], aggregator, registers };
      if (kind === 'gauge') this.#gauges.set(name, new Gauge(options));
      else this.#histograms.set(name, new Histogram({ ...options, buckets: [...buckets] }));
    }
    this.follow(() => [
      { name: 'tallystick_processes', value: 1 },
      ...this.#delay.quantiles().map(({ quantile, seconds }) => ({
        name: 'tallystick_event_loop_delay_seconds' as const,
        labels: { quantile },
        value: seconds,
      })),
    ]);
  }

  /** Adds one observation, in seconds. Labels have values of closed lists only. */
  observe<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, seconds: number): void {
    this.#histograms.get(name)?.observe(labels, seconds);
  }

  /** Reads the gauges of `source` whenever metrics are asked for. */
  follow(source: GaugeSource): void {
    this.#sources.push(source);
  }

  /** The metrics of this process and its runtime now. */
  json(): Promise<MetricsJson> {
    return this.#collecting.run(async () => {
      await this.#readGauges();
      runtime ??= runtimeMetrics();
      const all = await Promise.all([this.#registry, runtime].map((one) => one.getMetricsAsJSON()));
      return all.flat();
    });
  }

  /** As Prometheus reads it. */
  async text(): Promise<string> {
    return textOf([await this.json()]);
  }

  close(): void {
    this.#delay.close();
  }

  #count({ counter, timer }: EventDefinition, fields: EventFields): void {
    if (counter !== undefined) {
      const known = this.#counters.get(counter.name);
      const names =
        known?.hasTpp === true ? [...counter.labels, 'authorizationNumber' as const] : counter.labels;
      const amount = counter.amount === undefined ? 1 : (fields[counter.amount] ?? 1);
      known?.counter.inc(this.#labelsOf(counter.name, names, fields), amount);
    }
    if (timer !== undefined && fields.seconds !== undefined) {
      this.#histograms
        .get(timer.name)
        ?.observe(this.#labelsOf(timer.name, timer.labels, fields), fields.seconds);
    }
  }

  /** One object for each combination, so that a flood of refusals makes none. */
  #labelsOf(
    metric: string,
    names: readonly (keyof EventFields)[],
    fields: EventFields,
  ): Readonly<Record<string, string>> {
    const values = names.map((name) => labelValue(name, fields[name]));
    const key = values.join('\n');
    let series = this.#series.get(metric);
    if (series === undefined) {
      series = new Map();
      this.#series.set(metric, series);
    }
    const known = series.get(key);
    if (known !== undefined) return known;
    const isFull = series.size >= this.#maxSeries;
    const made = Object.fromEntries(
      names.map((name, at) => [labelName(name), isFull ? OTHER : (values[at] ?? OTHER)]),
    );
    if (!isFull) series.set(key, made);
    return made;
  }

  async #readGauges(): Promise<void> {
    const found = await Promise.all(this.#sources.map((source) => read(source)));
    const samples = found.flat();
    for (const gauge of this.#gauges.values()) gauge.reset();
    for (const { name, labels, value } of samples) this.#gauges.get(name)?.set({ ...labels }, value);
    // A gauge without labels is zero after a reset, which would be a statement.
    const stated = new Set<string>(samples.map(({ name }) => name));
    const unstated = UNLABELLED.filter((name) => !stated.has(name));
    for (const name of unstated) this.#gauges.get(name)?.remove();
  }
}

/** The metrics of several processes added up, as Prometheus reads them. */
export function textOf(processes: readonly MetricsJson[]): Promise<string> {
  return AggregatorRegistry.aggregate([...processes]).metrics();
}

/** The counters and histograms, which count for longer than their process; gauges end with it. */
export function lastingOf(json: MetricsJson): MetricsJson {
  return json.filter(({ type }) => LASTING.includes(String(type)));
}

/** The metrics of several processes as those of one. */
export function sumOf(processes: readonly MetricsJson[]): Promise<MetricsJson> {
  return AggregatorRegistry.aggregate([...processes]).getMetricsAsJSON();
}

function runtimeMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

async function read(source: GaugeSource): Promise<readonly GaugeSample[]> {
  const late = Promise.withResolvers<readonly GaugeSample[]>();
  const timer = setTimeout(() => late.resolve([]), SOURCE_MILLISECONDS);
  try {
    return await Promise.race([source(), late.promise]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

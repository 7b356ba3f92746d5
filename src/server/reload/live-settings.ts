import type { Config } from '../../configuration/config.ts';
import type { ChangeableRates } from '../../mutual-tls/limits/request-rate-options.ts';
import { connectionLimitOptions } from '../../configuration/connection-schema.ts';
import { requestRateOptions } from '../../configuration/request-limits-schema.ts';
import { invalidConfig, isRefusal } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { LogLevel } from '../../logging/log-level.ts';
import type { Admission } from '../../mutual-tls/limits/admission.ts';
import type { ConnectionLimits } from '../../mutual-tls/limits/connection-limits.ts';
import { SingleFlight } from '../../remote/single-flight.ts';

/** The settings that a running server takes from a changed configuration. */
export type LiveSettings = Pick<Config, 'logLevel' | 'clientLimits' | 'connections' | 'requestLimits'>;

/** `connections.keepAliveSeconds` belongs to listeners, which are made at the start. */
const LIVE = /^(logLevel$|clientLimits\.|requestLimits\.|connections\.(?!keepAliveSeconds))/;
/** The only one of a gateway. */
const LIVE_OF_GATEWAY = /^logLevel$/;

/** The quietest first. */
const LEVELS: readonly Config['logLevel'][] = ['error', 'warn', 'info'];

/** The live settings of a configuration. */
export function liveSettings({ logLevel, clientLimits, connections, requestLimits }: Config): LiveSettings {
  return { logLevel, clientLimits, connections, requestLimits };
}

/** Takes changed settings into use in the parts that are made from them. */
export function changeSettings(
  settings: LiveSettings,
  parts: {
    readonly config: Config;
    readonly logLevel: LogLevel;
    readonly clientLimits: Config['clientLimits'];
    readonly connections: ConnectionLimits;
    readonly requestRates: ChangeableRates;
    readonly admission: Admission;
  },
): void {
  const { config, logLevel, clientLimits, connections, requestRates, admission } = parts;
  logLevel.current = settings.logLevel;
  Object.assign(clientLimits, settings.clientLimits);
  connections.change(connectionLimitOptions({ ...config, connections: settings.connections }));
  requestRates.change(requestRateOptions(settings));
  admission.change(settings.requestLimits.loopDelayMilliseconds);
}

/** A configuration that is read again while it is in use. */
export class ReloadedConfig<T extends Pick<Config, 'logLevel'>> {
  readonly #file: string;
  readonly #read: () => Promise<T>;
  readonly #isLive: (path: string) => boolean;
  readonly #reloads = new SingleFlight<T | undefined>();
  /** As read last, with good content. */
  #last: T;
  readonly #atStart: T;

  constructor(config: T, { file, read, of }: ReloadedConfigOptions<T>) {
    this.#file = file;
    this.#read = read;
    const live = of === 'server' ? LIVE : LIVE_OF_GATEWAY;
    this.#isLive = (path) => live.test(path);
    this.#last = config;
    this.#atStart = config;
  }

  /**
   * Reads the configuration again. A good one is passed to `take` when live settings of it have changed; one event names
   * these, another one the changes that need a restart. A bad one changes nothing, and one event names every problem.
   */
  async reload(log: Log, take: (next: T) => void): Promise<void> {
    const file = this.#file;
    const next = await this.#reloads.run(() => this.#readNext(log));
    if (next === undefined) return;
    const settings = changedPaths(this.#last, next).filter(this.#isLive);
    const waiting = changedPaths(this.#atStart, next).filter((path) => !this.#isLive(path));
    const isQuieter = LEVELS.indexOf(next.logLevel) < LEVELS.indexOf(this.#last.logLevel);
    this.#last = next;
    const report = () => log.emit('configuration.reloaded', { file, settings });
    // The line must not be lost by the level that it announces.
    if (isQuieter) report();
    if (settings.length > 0) take(next);
    if (!isQuieter) report();
    if (waiting.length === 0) return;
    const problems = waiting.map((path) => ({ path, message: 'needs a restart' }));
    log.emit('configuration.restart_needed', { file, problems });
  }

  async #readNext(log: Log): Promise<T | undefined> {
    try {
      return await this.#read();
    } catch (error) {
      const refusal = isRefusal(error, 'ERR_CONFIG_INVALID')
        ? error
        : invalidConfig(this.#file, [{ path: '', message: `cannot be read: ${String(error)}` }]);
      const { problems } = refusal.details;
      log.emit('configuration.refused', { file: this.#file, problems });
      return undefined;
    }
  }
}

interface ReloadedConfigOptions<T> {
  readonly file: string;
  readonly read: () => Promise<T>;
  readonly of: 'server' | 'gateway';
}

/** `connections.inAll`, `trust[1].anchorsFile`: every value that differs, and lists of another length as one. */
function changedPaths(before: unknown, after: unknown, path = ''): string[] {
  if (Object.is(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) {
    if (before.length !== after.length) return [path];
    return before.flatMap((one, at) => changedPaths(one, after[at], `${path}[${at}]`));
  }
  if (!isObject(before) || !isObject(after)) return [path];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    changedPaths(before[name], after[name], path === '' ? name : `${path}.${name}`),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

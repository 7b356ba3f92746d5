import type { Config } from '../../configuration/config.ts';
import type { ManagedAnswer, ManagedRequest } from '../../management/managed-request.ts';
import type { HealthPart } from '../health.ts';
import type { LiveSettings } from '../reload/live-settings.ts';
import type { MetricsJson } from '../metrics/metrics.ts';

/** The listeners of an authorization server; `bank` where there is a bank API. */
export type ListenerName = 'front' | 'mtls' | 'bank';

/** The part of a process beside the one that owns the ports: the requests, or the answer 503 while no worker serves. */
export type WorkerRole = 'worker' | 'stand-in';

/** Each message has one member. A `connection` comes with its socket. */
export type ToWorker =
  | 'ping'
  | 'drain'
  | 'stop'
  | { readonly connection: ListenerName }
  /** The first message: what the worker serves by, in place of the file. */
  | { readonly configuration: Config }
  /** Settings that have changed since. */
  | { readonly settings: LiveSettings }
  | { readonly healthOf: number }
  | { readonly metricsOf: number }
  | { readonly manage: { readonly id: number; readonly request: ManagedRequest } };

export type FromWorker =
  | 'ready'
  | 'pong'
  | 'accepted'
  | 'signalled'
  | { readonly healthOf: number; readonly parts: readonly HealthPart[] }
  /** Question 0 was not asked: the last metrics before the end of the process. */
  | { readonly metricsOf: number; readonly metrics: MetricsJson }
  | { readonly managed: { readonly id: number; readonly answer: ManagedAnswer | undefined } };

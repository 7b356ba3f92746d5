import { info, warn } from '../../event-levels.ts';

/** The events of traces. */
export const TRACING_EVENTS = {
  'tracing.started': info('spans go to the SDK of OpenTelemetry that is registered in this process'),
  'tracing.unavailable': warn(
    'an SDK of OpenTelemetry is registered, but the package `@opentelemetry/api` cannot be loaded: no spans are made',
    ['error'],
  ),
};

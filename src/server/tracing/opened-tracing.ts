import type { Log } from '../../events.ts';
import { useTracing } from '../../tracing.ts';
import { RELEASE } from '../metrics/release.ts';
import { OpenTelemetryTracing } from './open-telemetry.ts';

/** Where every copy of `@opentelemetry/api` 1.x keeps the SDK that was registered. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/** Makes spans where an SDK of OpenTelemetry is registered in this process. Without one nothing is loaded. */
export async function openTracing(log: Log): Promise<void> {
  const registered: unknown = Reflect.get(globalThis, REGISTERED);
  if (typeof registered !== 'object' || registered === null || !('trace' in registered)) return;
  try {
    const api = await import('@opentelemetry/api');
    const traces = new OpenTelemetryTracing(api, RELEASE);
    // The API refuses an SDK that was registered by an older release of it.
    if (!traces.isHeard())
      throw new Error('the package is newer than the one that the SDK was registered with');
    useTracing(traces);
    log.emit('tracing.started');
  } catch (error) {
    log.emit('tracing.unavailable', { error });
  }
}

import type { Clock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import type { Log } from '../events.ts';
import { Admission, type RequestHandler } from '../mutual-tls/limits/admission.ts';
import type { ConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';
import { createListener, type Listener } from '../mutual-tls/listeners.ts';
import type { ListenerCertificates } from './own-certificate/listener-certificates.ts';
import { openStaple } from './own-certificate/opened-staple.ts';

interface ListenerParts {
  readonly tls: ListenerCertificates;
  readonly connections: ConnectionLimits;
  readonly requestClientCertificate: boolean;
  readonly handlers: Readonly<Record<'front' | 'mtls', RequestHandler>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The two public listeners of a server, with the certificate, the OCSP answer and the admission that they share. */
export interface PublicListeners {
  readonly front: Listener;
  readonly mtls: Listener;
  readonly admission: Admission;
  /** Lets requests in flight end, and closes. */
  close(drainSeconds: number): Promise<void>;
}

/** Opens them, without ports. */
export function openPublicListeners(config: Config, parts: ListenerParts): PublicListeners {
  const { tls, connections, requestClientCertificate, handlers, clock, log } = parts;
  const staple = openStaple(config, tls, { clock, log });
  const admission = new Admission({ targetMilliseconds: config.requestLimits.loopDelayMilliseconds, log });
  const { keepAliveSeconds } = config.connections;
  const listen = { ...tls.current, keepAliveSeconds, connections, admission, log, staple: staple?.show };
  const front = createListener({ name: 'front', requestClientCertificate: false, ...listen });
  const mtls = createListener({ name: 'mtls', requestClientCertificate, ...listen });
  tls.follow((pair) => {
    for (const listener of [front, mtls]) listener.replaceCertificate(pair);
  });
  front.serve(new URL(config.issuer), handlers.front);
  mtls.serve(new URL(config.mtlsUrl), handlers.mtls);
  return {
    front,
    mtls,
    admission,
    close: async (drainSeconds) => {
      await Promise.all([front, mtls].map((listener) => listener.close(drainSeconds)));
      admission.close();
      await staple?.close();
    },
  };
}

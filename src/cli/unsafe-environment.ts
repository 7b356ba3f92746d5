import { invalidConfig } from '../errors.ts';

/** Refuses settings of the process that silently weaken TLS. @throws ERR_CONFIG_INVALID */
export function refuseUnsafeEnvironment(): void {
  if (process.env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw invalidConfig('environment', [{ path: 'NODE_TLS_REJECT_UNAUTHORIZED', message: 'must not be 0' }]);
  }
}

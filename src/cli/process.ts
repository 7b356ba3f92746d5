import { type ErrorClass, invalidConfig, isRefusal } from '../errors.ts';

/** 1 refused, 2 wrong usage or configuration, 3 something that we depend on is not available. */
type ExitCode = 1 | 2 | 3;

const OTHERS: Partial<Readonly<Record<ErrorClass, ExitCode>>> = {
  configuration: 2,
  document: 2,
  unavailable: 3,
};

/** How long a stop may take where no setting says so. */
const STOP_SECONDS = 30;

/** The exit code of the command for a thrown error. */
export function exitCodeOf(error: unknown): ExitCode {
  return isRefusal(error) ? (OTHERS[error.class] ?? 1) : 3;
}

/** Refuses settings of the process that silently weaken TLS. @throws ERR_CONFIG_INVALID */
export function refuseUnsafeEnvironment(): void {
  if (process.env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    throw invalidConfig('environment', [{ path: 'NODE_TLS_REJECT_UNAUTHORIZED', message: 'must not be 0' }]);
  }
}

export interface StopOptions {
  readonly withinSeconds?: number;
  readonly signals?: readonly NodeJS.Signals[];
}

/**
 * Waits for one of the signals, by default SIGINT or SIGTERM, then closes, within a time limit. A second signal ends the
 * process at once.
 */
export function stopOnSignal(
  close: () => Promise<void>,
  { withinSeconds = STOP_SECONDS, signals = ['SIGINT', 'SIGTERM'] }: StopOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isStopping = false;
    const stop = () => {
      if (isStopping) process.exit(130);
      isStopping = true;
      endWithin(withinSeconds);
      close().then(resolve, reject);
    };
    for (const signal of signals) process.on(signal, stop);
  });
}

/** Ends the process after this time, if it has not ended by itself. */
export function endWithin(seconds: number): void {
  setTimeout(() => process.exit(1), seconds * 1000).unref();
}

/** Runs `reload` at each SIGHUP. */
export function reloadOnSignal(reload: () => Promise<void> | void): void {
  process.on('SIGHUP', () => void reload());
}

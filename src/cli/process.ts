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

/** Variables by which Node weakens TLS, or writes keys or requests into a file or the log (threats.md, O8). */
const UNSAFE_VARIABLES: Readonly<Record<string, (value: string) => string | undefined>> = {
  NODE_TLS_REJECT_UNAUTHORIZED: (value) => (value === '0' ? 'must not be 0' : undefined),
  SSLKEYLOGFILE: () => 'must not be set: it names a file for the keys of TLS connections',
  NODE_DEBUG: () => 'must not be set: it writes requests to the log',
  NODE_DEBUG_NATIVE: () => 'must not be set: it writes requests to the log',
};
/** Flags of Node that do. */
const UNSAFE_FLAG =
  /^--(inspect|debug-port|tls-min-v1\.[01]$|tls-keylog|insecure-http-parser$|openssl-legacy-provider$)/;

/** Refuses settings of the process that weaken TLS, open a debugger or write down secrets. @throws ERR_CONFIG_INVALID */
export function refuseUnsafeEnvironment(): void {
  const { NODE_OPTIONS = '' } = process.env;
  const ofVariables = Object.entries(UNSAFE_VARIABLES).flatMap(([path, problemOf]) => {
    const value = process.env[path] ?? '';
    const message = value === '' ? undefined : problemOf(value);
    return message === undefined ? [] : [{ path, message }];
  });
  const ofFlags = [
    ...process.execArgv.map((flag) => ({ path: 'node', flag })),
    ...NODE_OPTIONS.split(/[\s"]+/).map((flag) => ({ path: 'NODE_OPTIONS', flag })),
  ].flatMap(({ path, flag }) =>
    UNSAFE_FLAG.test(flag) ? [{ path, message: `must not have ${flag.split('=')[0]}` }] : [],
  );
  const problems = [...ofVariables, ...ofFlags];
  if (problems.length > 0) throw invalidConfig('environment', problems);
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

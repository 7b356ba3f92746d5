import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import { OpenBankingError } from '../../errors.ts';
import { assertUnexposed } from '../../files/private-files.ts';

/** The address of Redis and the options of its connections. Exactly one of `url`, `sentinels` and `nodes` is set. */
export interface RedisSettings {
  /** `redis://host:port/database`, or `rediss://` for TLS. */
  readonly url?: string | undefined;
  /** `host:port` of each Sentinel; `sentinelName` is the name of the primary that they watch. */
  readonly sentinels?: readonly string[] | undefined;
  readonly sentinelName?: string | undefined;
  /** `host:port` of some nodes of a Cluster. */
  readonly nodes?: readonly string[] | undefined;
  /** PEM files; read again at each new connection. */
  readonly tls?: RedisTlsFiles | undefined;
  /** Files, so that no password stands in the configuration; read again at each new connection. */
  readonly usernameFile?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly sentinelUsernameFile?: string | undefined;
  readonly sentinelPasswordFile?: string | undefined;
  readonly keyPrefix: string;
  /** Replicas that must have a write before it is acknowledged. */
  readonly waitReplicas: number;
  readonly waitTimeoutMilliseconds: number;
  /** Longest duration of one operation of the store. */
  readonly timeoutMilliseconds: number;
}

export interface RedisTlsFiles {
  readonly caFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly privateKeyFile?: string | undefined;
  /** The name in the certificate of Redis, if that differs from the host of the address. */
  readonly serverName?: string | undefined;
}

/** Credentials and TLS options of a connection. */
export interface RedisSecrets {
  readonly username?: string;
  readonly password?: string;
  readonly sentinelUsername?: string;
  readonly sentinelPassword?: string;
  readonly tls?: ConnectionOptions;
}

/**
 * Reads the files. Synchronous, because ioredis asks for its options synchronously when it reconnects.
 *
 * @throws ERR_CONFIG_INVALID for a file that cannot be read or used
 */
export function readRedisSecrets(settings: RedisSettings): RedisSecrets {
  const { usernameFile, passwordFile, sentinelUsernameFile, sentinelPasswordFile } = settings;
  const tls = readTls(settings);
  return {
    ...(usernameFile === undefined ? {} : { username: readLine(usernameFile, 'usernameFile') }),
    ...(passwordFile === undefined ? {} : { password: readPrivate(passwordFile, 'passwordFile').trim() }),
    ...(sentinelUsernameFile === undefined
      ? {}
      : { sentinelUsername: readLine(sentinelUsernameFile, 'sentinelUsernameFile') }),
    ...(sentinelPasswordFile === undefined
      ? {}
      : { sentinelPassword: readPrivate(sentinelPasswordFile, 'sentinelPasswordFile').trim() }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function readTls({ url, tls }: RedisSettings): ConnectionOptions | undefined {
  if (tls === undefined && url?.startsWith('rediss:') !== true) return undefined;
  const { caFile, certificateFile, privateKeyFile, serverName } = tls ?? {};
  const options: ConnectionOptions = {
    minVersion: 'TLSv1.2',
    ...(caFile === undefined ? {} : { ca: read(caFile, 'tls.caFile') }),
    ...(certificateFile === undefined ? {} : { cert: read(certificateFile, 'tls.certificateFile') }),
    ...(privateKeyFile === undefined ? {} : { key: readPrivate(privateKeyFile, 'tls.privateKeyFile') }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
  try {
    // ioredis stops retrying for good when a connection cannot even be tried, for example with a truncated key.
    createSecureContext(options);
  } catch (cause) {
    throw invalid('tls', `cannot be used: ${(cause as Error).message}`, { source: 'tls', cause });
  }
  return options;
}

function readLine(file: string, field: string): string {
  return read(file, field).trim();
}

function readPrivate(file: string, field: string): string {
  assertUnexposed({ path: `storage.redis.${field}`, file });
  return read(file, field);
}

function read(file: string, field: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw invalid(field, `cannot be read: ${code}`, { source: file, cause });
  }
}

function invalid(
  field: string,
  message: string,
  { source, cause }: { readonly source: string; readonly cause: unknown },
): OpenBankingError<'ERR_CONFIG_INVALID'> {
  const problems = [{ path: `storage.redis.${field}`, message }];
  return new OpenBankingError('ERR_CONFIG_INVALID', { source, problems }, { cause });
}

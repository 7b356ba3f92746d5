import { importJWK } from 'jose';
import type { Clock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import { proxyOf } from '../../configuration/outbound-schema.ts';
import { invalidConfig } from '../../errors.ts';
import { OpenidLogin, type OpenidLoginOptions } from '../../management/operators/openid-login.ts';
import { Outbound } from '../../remote/outbound.ts';
import type { Store } from '../../storage/store.ts';

const TIMEOUT_SECONDS = 5;
const MAX_BYTES = 262_144;
const KEY_FIELD = 'management.openid.privateKeyFile';

export interface OpenedLogin {
  readonly login: OpenidLogin;
  close(): Promise<void>;
}

/** Opens the login of operators at the OpenID provider of the bank; undefined where there is none. @throws ERR_CONFIG_INVALID */
export async function openLogin(
  { management, outbound: settings }: Pick<Config, 'management' | 'outbound'>,
  parts: { readonly store: Store; readonly secret: Buffer; readonly clock: Clock },
): Promise<OpenedLogin | undefined> {
  const openid = management?.openid;
  if (management === undefined || openid === undefined) return undefined;
  const { caFile, allowPrivateAddress, clientSecretFile, privateKeyFile, ...named } = openid;
  const caPem = caFile === undefined ? undefined : await readRequired(caFile, 'management.openid.caFile');
  const outbound = new Outbound({
    timeoutSeconds: TIMEOUT_SECONDS,
    maxBytes: MAX_BYTES,
    allowPrivateAddresses: allowPrivateAddress,
    caPem,
    proxy: proxyOf(settings),
  });
  const authentication =
    privateKeyFile === undefined
      ? { secret: (await readRequired(clientSecretFile ?? '', 'management.openid.clientSecretFile')).trim() }
      : await readKey(privateKeyFile);
  const redirectUri = `${new URL(management.url).origin}/console/callback`;
  const login = new OpenidLogin({ ...named, ...parts, authentication, redirectUri, outbound });
  return { login, close: () => outbound.close() };
}

async function readKey(
  file: string,
): Promise<Extract<OpenidLoginOptions['authentication'], { readonly key: unknown }>> {
  try {
    const jwk = JSON.parse(await readRequired(file, KEY_FIELD));
    const key = await importJWK(jwk);
    if (key instanceof Uint8Array || key.type !== 'private' || typeof jwk.kid !== 'string')
      throw new TypeError();
    return { key, kid: jwk.kid };
  } catch (cause) {
    const message = 'must be a private JSON Web Key with a kid and an alg';
    throw invalidConfig(file, [{ path: KEY_FIELD, message }], cause);
  }
}

import type { Middleware } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import type { Clock } from '../../clock.ts';
import type { Clients } from '../clients/clients.ts';
import { addressedKeys, type KeysByAddress } from '../clients/keys-by-address.ts';
import { messageKeysOf } from '../profiles/key-use.ts';
import type { Profiles } from '../profiles/profiles.ts';
import { CLIENT_KEYS_PATH } from '../request/routes.ts';
import { type RegisteredResourceServer, ResourceServerIdentification } from './resource-servers.ts';

export interface ClientKeysOptions {
  readonly clients: Pick<Clients, 'find'>;
  readonly keysByAddress: KeysByAddress;
  readonly profiles: Profiles;
  readonly resourceServers: readonly RegisteredResourceServer[];
  readonly clientCertificate: ClientCertificateSource;
  readonly clock: Clock;
}

/**
 * Serves the registered signing keys of a client, as a JWK set, to the resource servers: they verify signed requests
 * with them. A client without keys has an empty set; one that is unknown or has ended is not found.
 *
 * @throws ERR_CERT_MISSING, ERR_CLIENT_AUTHENTICATION, ERR_HTTP_NOT_FOUND, and what the certificate source throws
 */
export function serveClientKeys(options: ClientKeysOptions): Middleware {
  const identification = new ResourceServerIdentification(options.resourceServers);
  return async (ctx) => {
    const { certificate, intermediates } = options.clientCertificate.read(ctx.req);
    if (certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
    ctx.state.certificate = certificate;
    if (identification.find(certificate, () => intermediates, options.clock.now()).length === 0) {
      throw new OpenBankingError('ERR_CLIENT_AUTHENTICATION', {
        problem: 'the certificate is of no resource server',
      });
    }
    const clientId = decodedClientId(ctx.path);
    const client = clientId === undefined ? undefined : await options.clients.find(clientId);
    if (client === undefined) {
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 200) });
    }
    const keys = messageKeysOf(client) ?? (await addressedKeys(client, options)?.current()) ?? [];
    ctx.set('cache-control', 'no-store');
    ctx.body = { keys: keys.filter(({ use }) => use !== 'enc') };
    ctx.type = 'application/jwk-set+json';
  };
}

function decodedClientId(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice(CLIENT_KEYS_PATH.length));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

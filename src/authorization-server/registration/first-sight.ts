import type { Context, Middleware } from 'koa';
import { isRefusal } from '../../errors.ts';
import { hexPrefix, type Log } from '../../events.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import type { FoundClient } from '../clients/client-records.ts';
import type { Clients } from '../clients/clients.ts';
import type { RegisteredClient } from '../clients/registered-client.ts';
import { readForm } from '../request/form.ts';
import { isPush, provenTpp } from '../request/tpp-gate.ts';
import { judgedClient, MAX_REDIRECT_URIS, type RegistrationRules } from './client-registration.ts';
import type { RegistrationOptions } from './registration.ts';
import { namesInRegister } from './statement-profile.ts';

export interface FirstSightOptions {
  readonly clients: Pick<Clients, 'add' | 'change' | 'findNamed' | 'findToChange'>;
  readonly rules: RegistrationRules;
  readonly approval: RegistrationOptions['approval'];
  readonly log: Log;
}

/** Changes that meet are those of requests of one TPP at one moment. */
const MAX_ATTEMPTS = 5;

/**
 * Makes the client of a TPP that names itself by its organizationIdentifier (`client_id`), as the Berlin Group and STET have
 * it: of certificate and register, one for each TPP, without a registration. A pushed request adds its redirect URI, whose host
 * the certificate or the bank has named. Goes before client authentication at the endpoints for tokens and pushed requests.
 */
export class FirstSight {
  readonly #options: FirstSightOptions;

  constructor(options: FirstSightOptions) {
    this.#options = options;
  }

  /** @throws ERR_REGISTRATION_REDIRECT_URI, ERR_CLIENT_REGISTRATION for a TPP whose client the bank has ended */
  readonly serve: Middleware = async (ctx, next) => {
    const tpp = provenTpp(ctx);
    // A self-signed certificate is of a client that is there.
    if (tpp !== undefined && tpp.onlyClient === undefined) {
      const form = await readForm(ctx);
      const isOwnName = form.get('client_id') === tpp.authorizationNumber;
      const redirectUri = isPush(ctx) ? (form.get('redirect_uri') ?? undefined) : undefined;
      if (isOwnName) await this.#keep(ctx, tpp, redirectUri);
    }
    await next();
  };

  async #keep(ctx: Context, tpp: Tpp, redirectUri: string | undefined): Promise<void> {
    const { clients } = this.#options;
    const clientId = tpp.authorizationNumber;
    if (clients.findNamed(clientId) !== undefined) return;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const found = await clients.findToChange(clientId);
      const isDone =
        found === undefined
          ? await this.#create(ctx, tpp, redirectUri)
          : await this.#update(found, tpp, redirectUri);
      if (isDone) return;
    }
  }

  /** False when another request has made the client. */
  async #create(ctx: Context, tpp: Tpp, redirectUri: string | undefined): Promise<boolean> {
    const { clients, approval, log } = this.#options;
    const client = this.#clientOf(tpp, redirectUri === undefined ? [] : [redirectUri]);
    const status = approval === 'manual' ? 'awaiting-approval' : 'active';
    try {
      await clients.add({ client, status, origin: 'first-sight' });
    } catch (error) {
      const isMade =
        isRefusal(error, 'ERR_CLIENT_REGISTRATION') && (await clients.findToChange(client.client_id));
      if (isMade) return false;
      throw error;
    }
    const { authorizationNumber, certificate } = tpp;
    const requestId = String(ctx.state.requestId);
    const fields = { requestId, clientId: client.client_id, authorizationNumber };
    log.emit('client.first_sight', { ...fields, certificate: hexPrefix(certificate.thumbprint) });
    if (status !== 'active') log.emit('registration.awaiting', fields);
    return true;
  }

  /** The client follows the register, and has the redirect URIs that were pushed last. */
  async #update({ record, read }: FoundClient, tpp: Tpp, redirectUri: string | undefined): Promise<boolean> {
    if (record.origin !== 'first-sight' || record.status === 'ending') return true;
    const known = record.client.redirect_uris;
    const isNew = redirectUri !== undefined && !known.includes(redirectUri);
    const redirects = isNew ? [...known, redirectUri].slice(-MAX_REDIRECT_URIS) : known;
    const client = this.#clientOf(tpp, redirects);
    if (JSON.stringify(client) === JSON.stringify(record.client)) return true;
    return this.#options.clients.change({ record, read }, { client });
  }

  #clientOf(tpp: Tpp, redirectUris: readonly string[]): RegisteredClient {
    const { authorizationNumber: clientId } = tpp;
    const redirects = redirectUris.length === 0 ? [] : ['authorization_code', 'refresh_token'];
    const metadata = {
      grant_types: [...redirects, 'client_credentials'],
      redirect_uris: redirectUris,
      token_endpoint_auth_method: 'tls_client_auth',
    };
    return judgedClient(
      { clientId, tpp, statement: { metadata, names: namesInRegister(tpp) }, unknownMembers: 'refuse' },
      this.#options.rules,
    );
  }
}

import { randomBytes } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { hexPrefix, type Log } from '../../events.ts';
import type { Store } from '../../storage/store.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import type { ClientRecord } from '../clients/client-records.ts';
import type { Clients } from '../clients/clients.ts';
import type { RegisteredClient } from '../clients/registered-client.ts';
import { REGISTRATION_PATH } from '../request/routes.ts';
import { provenTpp } from '../request/tpp-gate.ts';
import { judgedClient, type RegistrationRules } from './client-registration.ts';
import { hasOtherTokens, type ManagedClient, RegistrationAccess, withTokens } from './registration-access.ts';
import { registrationAnswer } from './registration-answer.ts';
import { readRegistration } from './registration-body.ts';
import { type RegistrationQuotas, TppQuotas } from './registration-quotas.ts';
import {
  memberRefusal,
  type ProvenStatement,
  type RegistrationRequest,
  type StatementProfile,
  unapprovedRefusal,
} from './statement-profile.ts';
import { UsedStatements } from './used-statements.ts';

export interface RegistrationOptions {
  readonly clients: Pick<Clients, 'add' | 'change' | 'count' | 'end' | 'findToChange'>;
  readonly store: Store;
  /** Keys the hashes of registration access tokens and statements; 32 bytes. */
  readonly secret: Buffer;
  /** At least one; the first that is meant by a request verifies it. */
  readonly statementProfiles: readonly StatementProfile[];
  readonly rules: RegistrationRules;
  readonly approval: 'automatic' | 'manual';
  readonly quotas: RegistrationQuotas;
  readonly rotatesAccessTokens: boolean;
  readonly mtlsUrl: URL;
  readonly clock: Clock;
  readonly log: Log;
}

const CLIENT_ID_BYTES = 16;
/** A change that meets another of the same client is judged anew. */
const MAX_ATTEMPTS = 3;

/**
 * The registration endpoints (RFC 7591, RFC 7592), after the TPP gate. The statement profile verifies the request; the rules of
 * every client judge what it describes; a client belongs to the TPP of the certificate.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #access: RegistrationAccess;
  readonly #quotas: TppQuotas;
  readonly #used: UsedStatements;

  constructor(options: RegistrationOptions) {
    const { clients, secret, rotatesAccessTokens: rotates } = options;
    this.#options = options;
    this.#access = new RegistrationAccess({ clients, secret, rotates });
    this.#quotas = new TppQuotas(options.quotas, clients);
    this.#used = new UsedStatements(options);
  }

  /** The step of both routes. */
  readonly serve: Middleware = async (ctx) => {
    const tpp = provenTpp(ctx);
    if (tpp === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
    await this.#quotas.count(tpp.authorizationNumber);
    ctx.set('cache-control', 'no-store');
    ctx.set('pragma', 'no-cache');
    if (ctx.path === REGISTRATION_PATH) return this.#create(ctx, tpp);
    const clientId = decodedClientId(ctx.path);
    switch (ctx.method) {
      case 'PUT':
        return this.#change(ctx, tpp, clientId);
      case 'DELETE':
        return this.#delete(ctx, tpp, clientId);
      default:
        return this.#read(ctx, clientId);
    }
  };

  async #create(ctx: Context, tpp: Tpp): Promise<void> {
    const { clients, approval, rules } = this.#options;
    const request = { tpp, ...(await readRegistration(ctx)) };
    await this.#quotas.assertRoom(tpp.authorizationNumber, { more: 1 });
    const { profile, statement } = await this.#verified(request);
    if (statement.metadata.client_id !== undefined) {
      throw memberRefusal('client_id', 'is chosen by the server, and must not be sent');
    }
    // As hexadecimal digits: a command line takes an identifier that begins with a hyphen for an option.
    const clientId = randomBytes(CLIENT_ID_BYTES).toString('hex');
    const { unknownMembers, allowsSelfSigned } = profile;
    const client = judgedClient({ clientId, tpp, statement, unknownMembers, allowsSelfSigned }, rules);
    await this.#used.use(statement.singleUse);
    const { token, hash } = this.#access.create();
    const record = await clients.add({
      client,
      status: approval === 'manual' ? 'awaiting-approval' : 'active',
      origin: 'registration',
      registration: {
        profile: profile.name,
        accessTokenHashes: [hash],
        softwareId: statement.softwareId,
        statement: statement.repeated,
      },
    });
    await this.#assertWithinQuota(tpp, clientId);
    this.#log('registration.created', ctx, tpp, { clientId, outcome: profile.name });
    if (approval === 'manual') this.#log('registration.awaiting', ctx, tpp, { clientId });
    ctx.status = 201;
    ctx.body = this.#answer(record, token);
  }

  /** Requests at the same moment see each other's clients here, and then all of them may be refused. */
  async #assertWithinQuota(tpp: Tpp, clientId: string): Promise<void> {
    try {
      await this.#quotas.assertRoom(tpp.authorizationNumber, { more: 0 });
    } catch (error) {
      await this.#options.clients.end(clientId);
      throw error;
    }
  }

  async #read(ctx: Context, clientId: string): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const managed = await this.#managed(ctx, clientId);
      const isDone =
        !hasOtherTokens(managed) ||
        (await this.#options.clients.change(managed, { registration: withTokens(managed) }));
      if (!isDone) continue;
      ctx.body = this.#answer(managed.record, managed.accessToken);
      return;
    }
    throw new OpenBankingError('ERR_REGISTRATION_CONFLICT', { clientId });
  }

  async #change(ctx: Context, tpp: Tpp, clientId: string): Promise<void> {
    // A stranger's body is not worth reading.
    await this.#managed(ctx, clientId);
    const received = await readRegistration(ctx);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const managed = await this.#managed(ctx, clientId);
      const change = await this.#judgedChange({ tpp, ...received }, managed);
      if (!(await this.#options.clients.change(managed, change))) continue;
      const record = { ...managed.record, ...change };
      this.#log('registration.changed', ctx, tpp, { clientId, outcome: record.status });
      ctx.body = this.#answer(record, managed.accessToken);
      return;
    }
    throw new OpenBankingError('ERR_REGISTRATION_CONFLICT', { clientId });
  }

  /** The whole registration anew: a member that is not sent is deleted (RFC 7592 §2.2). */
  async #judgedChange(
    request: RegistrationRequest,
    managed: ManagedClient,
  ): Promise<{ readonly client: RegisteredClient; readonly registration: ClientRecord['registration'] }> {
    const { tpp } = request;
    const { client_id: clientId } = managed.record.client;
    const registration = withTokens(managed);
    if (registration === undefined) throw new OpenBankingError('ERR_REGISTRATION_ACCESS', {});
    const { profile, statement } = await this.#verified({ ...request, current: { clientId, registration } });
    const { client_id: named, ...metadata } = statement.metadata;
    if (named !== clientId) throw memberRefusal('client_id', `must be ${clientId} (RFC 7592 section 2.2)`);
    if (statement.softwareId !== registration.softwareId) {
      throw unapprovedRefusal('the statement of a change (RFC 7592 section 2.2)', 'is of other software');
    }
    const { unknownMembers, allowsSelfSigned } = profile;
    const judged = {
      ...{ clientId, tpp, unknownMembers, allowsSelfSigned },
      statement: { ...statement, metadata },
    };
    return {
      client: judgedClient(judged, this.#options.rules),
      registration: { ...registration, profile: profile.name, statement: statement.repeated },
    };
  }

  async #delete(ctx: Context, tpp: Tpp, clientId: string): Promise<void> {
    // An end that broke off is repeated here.
    await this.#access.authorize(ctx, clientId);
    await this.#options.clients.end(clientId);
    this.#log('registration.deleted', ctx, tpp, { clientId });
    ctx.status = 204;
  }

  async #managed(ctx: Context, clientId: string): Promise<ManagedClient> {
    const managed = await this.#access.authorize(ctx, clientId);
    if (managed.record.status === 'ending') throw new OpenBankingError('ERR_REGISTRATION_ACCESS', {});
    return managed;
  }

  async #verified(
    request: RegistrationRequest,
  ): Promise<{ readonly profile: StatementProfile; readonly statement: ProvenStatement }> {
    const profile = this.#options.statementProfiles.find((one) => one.isMeant(request));
    if (profile === undefined) {
      const names = this.#options.statementProfiles.map(({ name }) => name).join(', ');
      throw unapprovedRefusal('the registration (RFC 7591 section 2.3)', `this server takes ${names}`);
    }
    return { profile, statement: await profile.verify(request) };
  }

  #answer(record: ClientRecord, accessToken: string): Record<string, unknown> {
    const { mtlsUrl, rules } = this.#options;
    return registrationAnswer(record, { mtlsUrl, profiles: rules.profiles, accessToken });
  }

  #log(
    event: 'registration.created' | 'registration.changed' | 'registration.deleted' | 'registration.awaiting',
    ctx: Context,
    { authorizationNumber, certificate: { thumbprint } }: Tpp,
    more: { readonly clientId: string; readonly outcome?: string },
  ): void {
    this.#options.log.emit(event, {
      requestId: String(ctx.state.requestId),
      authorizationNumber,
      certificate: hexPrefix(thumbprint),
      ...more,
    });
  }
}

/** @throws ERR_REGISTRATION_ACCESS, as for an unknown client */
function decodedClientId(path: string): string {
  try {
    return decodeURIComponent(path.slice(REGISTRATION_PATH.length + 1));
  } catch (cause) {
    throw new OpenBankingError('ERR_REGISTRATION_ACCESS', {}, { cause });
  }
}

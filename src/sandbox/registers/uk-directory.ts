import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { importSPKI, type JWK, jwtVerify } from 'jose';
import type { Clock } from '../../clock.ts';

/** A participant as the UK directory writes it. */
export interface WrittenParticipant {
  /** 18 letters and digits. */
  readonly organisationId: string;
  readonly name: string;
  /** `Active`, `Withdrawn`, `Revoked`, `Requested` or `Rejected`. */
  readonly status: string;
  /** `FCAGBR`, or `OBGBR` for an organisation that has no number of the FCA. */
  readonly authorityId: string;
  readonly registrationId: string;
  readonly authorisations: readonly {
    readonly role: string;
    readonly memberState?: string;
    readonly active?: boolean;
  }[];
  readonly softwareStatements?: readonly WrittenSoftwareStatement[];
}

export interface WrittenSoftwareStatement {
  /** 22 letters and digits. */
  readonly id: string;
  readonly roles: readonly string[];
  readonly active?: boolean;
  /** Public keys with their certificates (`x5c`). */
  readonly keys?: readonly JWK[];
}

export interface UkDirectoryOptions {
  /** The origin under which the listener is served, `https://localhost:8443`. */
  readonly origin: string;
  /** The participant that may ask: its client id, and the public key of its assertions in PEM. */
  readonly client: { readonly id: string; readonly publicKeyPem: string };
  /** The participants at the time of a request. */
  readonly participants: () => readonly WrittenParticipant[];
  readonly clock: Clock;
}

export const TOKEN_PATH = '/as/token.oauth2';
export const SCIM_PATH = '/scim/v2';
export const KEY_STORE_PATH = '/keystore';
const PARTICIPANTS_PATH = `${SCIM_PATH}/OBThirdPartyProviders`;
const TOKEN_SECONDS = 300;
const MAX_TOKENS = 1000;
const MAX_FORM_BYTES = 16_384;
const MAX_PAGE = 100;

/**
 * The UK directory of a sandbox: token endpoint, SCIM and key stores, in the shapes of the directory-api-specs of
 * Open Banking Limited. A request listener for an HTTPS server with `requestCert`; token endpoint and SCIM ask for a
 * certificate that the server has verified.
 */
export function createUkDirectory(options: UkDirectoryOptions): RequestListener {
  const directory = new SandboxUkDirectory(options);
  return (request, response) => {
    directory.answer(request, response).catch(() => response.destroy());
  };
}

class SandboxUkDirectory {
  readonly #options: UkDirectoryOptions;
  /** Access token → its end, in milliseconds. */
  readonly #tokens = new Map<string, number>();

  constructor(options: UkDirectoryOptions) {
    this.#options = options;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.#options.origin);
    if (request.method === 'GET' && url.pathname.startsWith(`${KEY_STORE_PATH}/`)) {
      this.#keyStore(url, response);
    } else if (!isVerified(request)) {
      send(response, 401, { error: 'invalid_client', error_description: 'no client certificate' });
    } else if (request.method === 'POST' && url.pathname === TOKEN_PATH) {
      await this.#token(request, response);
    } else if (request.method === 'GET' && url.pathname === PARTICIPANTS_PATH) {
      this.#participants(request, url, response);
    } else send(response, 404, { detail: 'no such resource' });
  }

  async #token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { client, clock, origin } = this.#options;
    const form = new URLSearchParams(await textOf(request));
    const assertion = form.get('client_assertion') ?? '';
    try {
      if (form.get('grant_type') !== 'client_credentials') throw new Error('another grant type');
      await jwtVerify(assertion, await importSPKI(client.publicKeyPem, 'PS256'), {
        issuer: client.id,
        subject: client.id,
        audience: `${origin}${TOKEN_PATH}`,
        algorithms: ['PS256'],
        requiredClaims: ['jti', 'exp', 'iat'],
        currentDate: clock.now(),
      });
    } catch (error) {
      const description = error instanceof Error ? error.message : 'no good assertion';
      send(response, 401, { error: 'invalid_client', error_description: description });
      return;
    }
    const token = randomBytes(24).toString('base64url');
    if (this.#tokens.size >= MAX_TOKENS) this.#tokens.clear();
    this.#tokens.set(token, clock.now().getTime() + TOKEN_SECONDS * 1000);
    const scope = form.get('scope') ?? '';
    send(response, 200, { access_token: token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, scope });
  }

  #participants(request: IncomingMessage, url: URL, response: ServerResponse): void {
    const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    const end = this.#tokens.get(token);
    if (end === undefined || this.#options.clock.now().getTime() >= end) {
      send(response, 401, { detail: 'no valid access token' });
      return;
    }
    const all = this.#options.participants();
    const startIndex = Math.max(1, Number(url.searchParams.get('startIndex') ?? 1) || 1);
    const asked = Number(url.searchParams.get('count') ?? MAX_PAGE) || MAX_PAGE;
    const page = all.slice(startIndex - 1, startIndex - 1 + Math.min(asked, MAX_PAGE));
    const list = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      totalResults: all.length,
      itemsPerPage: page.length,
      startIndex,
      Resources: page.map(participantResource),
    };
    send(response, 200, list, 'application/scim+json');
  }

  #keyStore(url: URL, response: ServerResponse): void {
    const [, organisationId, id] =
      /^\/keystore\/([A-Za-z0-9]+)\/([A-Za-z0-9]+)\.jwks$/.exec(url.pathname) ?? [];
    const participant = this.#options.participants().find((one) => one.organisationId === organisationId);
    const statement = participant?.softwareStatements?.find((one) => one.id === id);
    if (statement === undefined) send(response, 404, {});
    else send(response, 200, { keys: statement.keys ?? [] });
  }
}

/** The SCIM resource of a participant. */
export function participantResource(participant: WrittenParticipant): object {
  const { organisationId, name, status, authorityId, registrationId, authorisations } = participant;
  return {
    schemas: ['urn:openbanking:organisation:1.0'],
    id: organisationId,
    meta: { resourceType: 'OBThirdPartyProviders' },
    'urn:openbanking:organisation:1.0': {
      OBOrganisationId: organisationId,
      OrganisationCommonName: name,
      OBAuthorisationState: 'Participant',
      status,
    },
    'urn:openbanking:competentauthorityclaims:1.0': {
      AuthorityId: authorityId,
      RegistrationId: registrationId,
      MemberState: 'United Kingdom',
      Authorisations: authorisations.map(({ role, memberState = 'GB', active = true }) => ({
        MemberState: memberState,
        Psd2Role: role,
        Active: active,
      })),
    },
    'urn:openbanking:softwarestatement:1.0': {
      SoftwareStatements: (participant.softwareStatements ?? []).map(({ id, roles, active = true }) => ({
        Id: id,
        ClientId: id,
        ClientName: name,
        Active: active,
        Mode: 'Live',
        Roles: roles,
      })),
    },
  };
}

function isVerified({ socket }: IncomingMessage): boolean {
  return socket instanceof TLSSocket && socket.authorized;
}

function send(response: ServerResponse, status: number, body: object, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_FORM_BYTES) throw new Error('the form is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

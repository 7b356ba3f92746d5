import type { Clock } from '../../../clock.ts';
import type { Tpp } from '../../../tpp/authenticate.ts';
import { scopesAllowed } from '../../../tpp/authorisation-status.ts';
import { ATTRIBUTE } from '../../../x509/certificate/distinguished-name.ts';
import { isSealed, readJwt, type UnprovenJwt, ownClaims } from '../signed-statement.ts';
import {
  addressClaim,
  type DirectorySettings,
  type KeysAt,
  singleUseOf,
  pspRoles,
  type StatementClaims,
  subjectTexts,
  textClaim,
  textsClaim,
  verifyBySet,
  verifySoftwareStatement,
} from './software-statement.ts';
import {
  JWT_TYPES,
  memberRefusal,
  type ProvenStatement,
  type RegistrationRequest,
  type StatementProfile,
  statementRefusal,
  unapprovedRefusal,
} from '../statement-profile.ts';

export interface UkStatementOptions {
  readonly directory: DirectorySettings;
  /** The identifier of this bank in the directory: `aud` of a request, where the request has one. */
  readonly organisationId?: string | undefined;
  /** The FAPI profile of the clients. */
  readonly clientProfile: string;
  readonly issuer: string;
  readonly apiScopes: readonly string[];
  readonly keys: KeysAt;
  readonly clock: Clock;
}

const REQUEST = 'the registration request (UK DCR 3.4, Data Model)';
const STATEMENT = 'the software statement (UK Directory, Software Statement Assertion)';
const ROLES = { AISP: 'PSP_AI', PISP: 'PSP_PI', CBPII: 'PSP_IC' } as const;
const REQUEST_AGE_SECONDS = 3600;
/** A request without `exp` close by is not good for longer. */
const MAX_LIFE_SECONDS = 3600;
const APPLICATION_TYPES: readonly unknown[] = ['web', 'native', 'mobile', undefined];

/**
 * The statement profile `uk-obie` (Dynamic Client Registration 3.3 and 3.4): a JWT, signed by a key of the set that the
 * software statement names, with the statement in it. The statement is verified before that address is read.
 */
export class UkObieStatement implements StatementProfile {
  readonly name = 'uk-obie';
  readonly unknownMembers = 'drop';
  readonly allowsSelfSigned = false;
  readonly #options: UkStatementOptions;

  constructor(options: UkStatementOptions) {
    this.#options = options;
  }

  isMeant({ mediaType, body }: RegistrationRequest): boolean {
    return JWT_TYPES.includes(mediaType) && !isSealed(body);
  }

  async verify({ tpp, body, current }: RegistrationRequest): Promise<ProvenStatement> {
    const { keys, apiScopes } = this.#options;
    const request = readJwt(body.trim(), REQUEST, { algorithms: ['PS256', 'ES256'] });
    const rules = { rule: STATEMENT, algorithms: ['PS256', 'ES256'] } as const;
    const statement = await verifySoftwareStatement(request.claims.software_statement, rules, this.#options);
    assertActive(statement);
    assertOfTpp(statement, tpp);
    const jwksUri = addressClaim(statement, 'software_jwks_endpoint', STATEMENT);
    await verifyBySet(request, keys.at(jwksUri), REQUEST);
    const softwareId = textClaim(statement, 'software_id', STATEMENT);
    const singleUse = this.#assertRequest(request, softwareId);
    const redirectUris = textsClaim(statement, 'software_redirect_uris', STATEMENT);
    const roles = pspRoles(textsClaim(statement, 'software_roles', STATEMENT), ROLES);
    return {
      metadata: this.#metadataOf(request, { jwksUri, redirectUris, clientId: current?.clientId }),
      names: namesOf(statement),
      onBehalfOf: agentOf(statement),
      redirectUris,
      scopes: scopesAllowed(roles, apiScopes),
      softwareId,
      singleUse,
      repeated: {
        ...ownClaims(statement),
        software_statement: request.claims.software_statement,
        application_type: request.claims.application_type ?? 'web',
      },
    };
  }

  #assertRequest({ claims }: UnprovenJwt, softwareId: string): ProvenStatement['singleUse'] {
    const { clock, organisationId, issuer } = this.#options;
    const { iss, aud } = claims;
    if (iss !== softwareId) throw statementRefusal(REQUEST, `must have iss ${softwareId}`);
    if (claims.software_id !== undefined && claims.software_id !== softwareId) {
      throw memberRefusal('software_id', 'must be that of the software statement');
    }
    if (organisationId !== undefined && aud !== undefined && aud !== organisationId && aud !== issuer) {
      throw statementRefusal(REQUEST, `must have aud ${organisationId}`);
    }
    return singleUseOf(claims, {
      rule: REQUEST,
      of: `${this.name} ${softwareId}`,
      clock,
      maxAgeSeconds: REQUEST_AGE_SECONDS,
      maxLifeSeconds: MAX_LIFE_SECONDS,
    });
  }

  #metadataOf(
    { claims }: UnprovenJwt,
    statement: {
      readonly jwksUri: string;
      readonly redirectUris: readonly string[];
      readonly clientId: string | undefined;
    },
  ): Record<string, unknown> {
    const { software_statement, software_id, application_type: type, client_id, ...members } = claims;
    if (!APPLICATION_TYPES.includes(type))
      throw memberRefusal('application_type', 'must be web, native or mobile');
    if (members.jwks !== undefined)
      throw memberRefusal('jwks', 'must not be sent: the statement names the keys');
    const { clientId } = statement;
    if (clientId !== undefined && client_id !== undefined && client_id !== clientId) {
      throw memberRefusal('client_id', `must be ${clientId}`);
    }
    const { backchannel_user_code_parameter_supported: userCode, ...rest } = members;
    if (userCode !== undefined && userCode !== false) {
      throw memberRefusal('backchannel_user_code_parameter_supported', 'must be false (UK DCR 3.4)');
    }
    return {
      response_types: ['code id_token'],
      redirect_uris: statement.redirectUris,
      ...ownClaims(rest),
      jwks_uri: statement.jwksUri,
      profile: this.#options.clientProfile,
      ...(clientId === undefined ? {} : { client_id: clientId }),
    };
  }
}

/** The directory writes states in different cases. */
function assertActive({ org_status: status, software_mode: mode }: StatementClaims): void {
  if (String(status).toLowerCase() !== 'active') {
    throw unapprovedRefusal(STATEMENT, 'is of an organisation that is not active');
  }
  if (mode !== undefined && !['live', 'test'].includes(String(mode).toLowerCase())) {
    throw statementRefusal(STATEMENT, 'has a software_mode that is neither Live nor Test');
  }
}

/** The organisation of the statement is the one of the certificate: by its directory identifier, or by its registration. */
function assertOfTpp(statement: StatementClaims, tpp: Tpp): void {
  const orgId = textClaim(statement, 'org_id', STATEMENT);
  const names = subjectTexts(tpp, ATTRIBUTE.commonName, ATTRIBUTE.organizationalUnitName);
  const { registration_id: registration } = (statement.organisation_competent_authority_claims ?? {}) as {
    readonly registration_id?: unknown;
  };
  const [, own] = /^PSDGB-FCA-(\d+)$/.exec(tpp.authorizationNumber) ?? [];
  const isRegistered = typeof registration === 'string' && /^\d+$/.test(registration);
  // A unit is any text that the issuer has taken: beside another number of the authority it proves nothing.
  const isOther = own !== undefined && isRegistered && registration !== own;
  const isOwn =
    names.includes(orgId) ||
    tpp.authorizationNumber === `PSDGB-OB-Unknown${orgId}` ||
    (own !== undefined && registration === own);
  if (isOther || !isOwn) {
    throw statementRefusal(
      STATEMENT,
      `is of the organisation ${orgId}, and the connection is of ${tpp.authorizationNumber}`,
    );
  }
}

/** A service is named as its customers know it; with an agent, on whose behalf it is. */
function namesOf(statement: StatementClaims): [string, ...string[]] {
  const client = textClaim(statement, 'software_client_name', STATEMENT);
  const { org_name: organisation } = statement;
  return typeof organisation === 'string' ? [client, organisation] : [client];
}

/** The directory writes an agent that is none as an empty text. */
function agentOf({ software_on_behalf_of_org: agent }: StatementClaims): string | undefined {
  return typeof agent === 'string' && agent.trim() !== '' ? agent.trim() : undefined;
}

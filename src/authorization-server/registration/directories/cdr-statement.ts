import type { Clock } from '../../../clock.ts';
import type { Tpp } from '../../../tpp/authenticate.ts';
import { ATTRIBUTE } from '../../../x509/certificate/distinguished-name.ts';
import { isSealed, readJwt, type UnprovenJwt, ownClaims } from '../signed-statement.ts';
import {
  addressClaim,
  type DirectorySettings,
  type KeysAt,
  singleUseOf,
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
} from '../statement-profile.ts';

export interface CdrStatementOptions {
  readonly directory: DirectorySettings;
  readonly clientProfile: string;
  readonly issuer: string;
  readonly apiScopes: readonly string[];
  readonly keys: KeysAt;
  readonly clock: Clock;
}

const REQUEST = 'the registration request (Consumer Data Standards, Dynamic Client Registration)';
const STATEMENT = 'the software statement (Consumer Data Standards, Software Statement Assertion)';
const ROLE = 'data-recipient-software-product';
const UID = '0.9.2342.19200300.100.1.1';
const REQUEST_AGE_SECONDS = 600;

/** The statement profile `cdr` (Australia): a JWT and a statement of the register, both signed with PS256. */
export class CdrStatement implements StatementProfile {
  readonly name = 'cdr';
  readonly unknownMembers = 'drop';
  readonly allowsSelfSigned = false;
  readonly #options: CdrStatementOptions;

  constructor(options: CdrStatementOptions) {
    this.#options = options;
  }

  isMeant({ mediaType, body }: RegistrationRequest): boolean {
    return JWT_TYPES.includes(mediaType) && !isSealed(body);
  }

  async verify({ tpp, body, current }: RegistrationRequest): Promise<ProvenStatement> {
    const { keys, apiScopes, clientProfile } = this.#options;
    const request = readJwt(body.trim(), REQUEST, { algorithms: ['PS256'] });
    const rules = { rule: STATEMENT, algorithms: ['PS256'], needsExpiry: true } as const;
    const statement = await verifySoftwareStatement(request.claims.software_statement, rules, this.#options);
    assertOfTpp(statement, tpp);
    if (statement.software_roles !== ROLE)
      throw statementRefusal(STATEMENT, `must have software_roles ${ROLE}`);
    const jwksUri = addressClaim(statement, 'jwks_uri', STATEMENT);
    await verifyBySet(request, keys.at(jwksUri), REQUEST);
    const softwareId = textClaim(statement, 'software_id', STATEMENT);
    const singleUse = this.#assertRequest(request, softwareId);
    const redirectUris = textsClaim(statement, 'redirect_uris', STATEMENT);
    const scopes = textClaim(statement, 'scope', STATEMENT).split(' ');
    const { software_statement: text, client_id: sent, ...members } = request.claims;
    if (members.jwks !== undefined)
      throw memberRefusal('jwks', 'must not be sent: the statement names the keys');
    const clientId = current?.clientId;
    if (clientId !== undefined && sent !== undefined && sent !== clientId) {
      throw memberRefusal('client_id', `must be ${clientId}`);
    }
    return {
      metadata: {
        redirect_uris: redirectUris,
        ...ownClaims(members),
        jwks_uri: jwksUri,
        profile: clientProfile,
        // The statement says which (section "Registration Validation").
        scope: scopes.filter((one) => one === 'openid' || apiScopes.includes(one)).join(' '),
        ...(clientId === undefined ? {} : { client_id: clientId }),
      },
      names: [textClaim(statement, 'client_name', STATEMENT)],
      redirectUris,
      scopes: apiScopes.filter((one) => scopes.includes(one)),
      softwareId,
      singleUse,
      repeated: { ...ownClaims(statement), software_statement: text },
    };
  }

  #assertRequest({ claims }: UnprovenJwt, softwareId: string): ProvenStatement['singleUse'] {
    const { clock, issuer } = this.#options;
    const { iss, aud } = claims;
    if (iss !== softwareId) throw statementRefusal(REQUEST, `must have iss ${softwareId}`);
    if (aud !== issuer) throw statementRefusal(REQUEST, `must have aud ${issuer}`);
    return singleUseOf(claims, {
      rule: REQUEST,
      of: `${this.name} ${softwareId}`,
      clock,
      maxAgeSeconds: REQUEST_AGE_SECONDS,
      maxLifeSeconds: REQUEST_AGE_SECONDS,
    });
  }
}

/** The certificate names the software, the brand or the legal entity of the statement. */
function assertOfTpp(statement: StatementClaims, tpp: Tpp): void {
  const ids = ['software_id', 'org_id', 'legal_entity_id'].flatMap((name) => {
    const id = statement[name];
    return typeof id === 'string' && id !== '' ? [id] : [];
  });
  const named = subjectTexts(
    tpp,
    ATTRIBUTE.commonName,
    ATTRIBUTE.organizationalUnitName,
    ATTRIBUTE.serialNumber,
    UID,
  );
  if (ids.some((id) => named.includes(id) || tpp.authorizationNumber.endsWith(`-${id}`))) return;
  throw statementRefusal(
    STATEMENT,
    `is of other software than the certificate of ${tpp.authorizationNumber}`,
  );
}

import type { Clock } from '../../../clock.ts';
import type { Tpp } from '../../../tpp/authenticate.ts';
import { ATTRIBUTE, formatName } from '../../../x509/certificate/distinguished-name.ts';
import { membersOf } from '../certificate-statement.ts';
import { ownClaims } from '../signed-statement.ts';
import {
  addressClaim,
  type DirectorySettings,
  type KeysAt,
  type StatementClaims,
  subjectTexts,
  textClaim,
  textsClaim,
  verifySoftwareStatement,
} from './software-statement.ts';
import {
  JSON_TYPE,
  memberRefusal,
  type ProvenStatement,
  type RegistrationRequest,
  type StatementProfile,
  statementRefusal,
} from '../statement-profile.ts';

export interface BrazilStatementOptions {
  readonly directory: DirectorySettings;
  readonly clientProfile: string;
  readonly apiScopes: readonly string[];
  readonly keys: KeysAt;
  readonly clock: Clock;
}

const STATEMENT = 'the software statement (Open Finance Brasil DCR 1.0 section 7.1)';
const UID = '0.9.2342.19200300.100.1.1';
/** The server's choice where the client has none (section 7.1.1, "Applying Server Defaults"). */
const ENCRYPTION = Object.freeze({
  id_token_encrypted_response_alg: 'RSA-OAEP-256',
  id_token_encrypted_response_enc: 'A256GCM',
});
/** Longer than a statement can register. */
const USED_SECONDS = 3600;
/** Regulatory roles and their scopes (Open Finance Brasil DCR 1.0 section 7.2). */
const SCOPES: Readonly<Record<string, readonly string[]>> = {
  DADOS: `accounts credit-cards-accounts consents customers invoice-financings financings loans
    unarranged-accounts-overdraft resources`.split(/\s+/),
  PAGTO: ['payments', 'consents'],
  CONTA: [],
  CCORR: [],
};

/**
 * The statement profile `open-finance-brasil`: JSON with a software statement that is five minutes old at most, registers one
 * client, and agrees with the certificate: UID is the software, organizationIdentifier (or OU) the organisation.
 */
export class OpenFinanceBrasilStatement implements StatementProfile {
  readonly name = 'open-finance-brasil';
  readonly unknownMembers = 'drop';
  readonly allowsSelfSigned = false;
  readonly #options: BrazilStatementOptions;

  constructor(options: BrazilStatementOptions) {
    this.#options = options;
  }

  isMeant({ mediaType }: RegistrationRequest): boolean {
    return mediaType === JSON_TYPE;
  }

  async verify({ tpp, body, current }: RegistrationRequest): Promise<ProvenStatement> {
    const { software_statement: text, ...members } = membersOf(body);
    const statement = await verifySoftwareStatement(
      text,
      { rule: STATEMENT, algorithms: ['PS256'] },
      this.#options,
    );
    assertOfCertificate(statement, tpp);
    const jwksUri = addressClaim(statement, 'software_jwks_uri', STATEMENT);
    assertMembers(members, jwksUri, tpp);
    const id = textClaim(statement, 'jti', STATEMENT);
    const until = new Date(this.#options.clock.now().getTime() + USED_SECONDS * 1000);
    const { client_id: clientId = current?.clientId, ...rest } = members;
    return {
      metadata: {
        ...ENCRYPTION,
        ...rest,
        jwks_uri: jwksUri,
        profile: this.#options.clientProfile,
        ...(clientId === undefined ? {} : { client_id: clientId }),
      },
      names: [textClaim(statement, 'software_client_name', STATEMENT)],
      redirectUris: textsClaim(statement, 'software_redirect_uris', STATEMENT),
      scopes: this.#options.apiScopes.filter((scope) => scopesOf(statement).has(scope)),
      softwareId: textClaim(statement, 'software_id', STATEMENT),
      singleUse: { id: `${this.name} ${id}`, until },
      repeated: { ...ownClaims(statement), software_statement: text },
    };
  }
}

function assertOfCertificate(statement: StatementClaims, tpp: Tpp): void {
  const softwareId = textClaim(statement, 'software_id', STATEMENT);
  const orgId = textClaim(statement, 'org_id', STATEMENT);
  const [uid, ...others] = subjectTexts(tpp, UID);
  if (uid !== softwareId || others.length > 0) {
    throw statementRefusal(
      STATEMENT,
      `is of the software ${softwareId}, which is not the UID of the certificate, or not its only one`,
    );
  }
  const isOwn =
    subjectTexts(tpp, ATTRIBUTE.organizationIdentifier).includes(`OFBBR-${orgId}`) ||
    subjectTexts(tpp, ATTRIBUTE.organizationalUnitName).includes(orgId);
  if (!isOwn)
    throw statementRefusal(STATEMENT, `is of the organisation ${orgId}, which the certificate does not name`);
}

/** Members that the statement decides are repeated, and never chosen (section 7.1). */
function assertMembers(members: Readonly<Record<string, unknown>>, jwksUri: string, tpp: Tpp): void {
  if (members.jwks !== undefined) throw memberRefusal('jwks', 'must not be sent by value (section 7.1)');
  if (members.jwks_uri !== undefined && members.jwks_uri !== jwksUri) {
    throw memberRefusal('jwks_uri', 'must be software_jwks_uri of the statement (section 7.1)');
  }
  if (!Array.isArray(members.redirect_uris) || members.redirect_uris.length === 0) {
    throw memberRefusal('redirect_uris', 'is required (section 7.1)');
  }
  const dn = members.tls_client_auth_subject_dn;
  const strict = formatName(tpp.certificate.parsed.subject, 'strict');
  if (dn !== undefined && dn !== strict) {
    throw memberRefusal(
      'tls_client_auth_subject_dn',
      'must be the subject of the certificate with the names of RFC 4514 section 3 only, and others as OID=#hex (section 7.1.1)',
    );
  }
  if (members.token_endpoint_auth_method === 'tls_client_auth' && dn === undefined) {
    throw memberRefusal('tls_client_auth_subject_dn', 'is required for tls_client_auth (section 7.1.1)');
  }
}

/** The scopes of the active roles of the software, and no others. */
function scopesOf({ software_statement_roles: roles }: StatementClaims): ReadonlySet<string> {
  if (!Array.isArray(roles))
    throw statementRefusal(STATEMENT, 'must have software_statement_roles as a list');
  return new Set(
    roles.flatMap((one: unknown) => {
      const { role, status } = (one ?? {}) as { readonly role?: unknown; readonly status?: unknown };
      const isActive = status === 'Active' && typeof role === 'string' && Object.hasOwn(SCOPES, role);
      return isActive ? (SCOPES[role] ?? []) : [];
    }),
  );
}

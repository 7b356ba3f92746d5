import type { JWTPayload } from 'jose';
import { sameNca } from '../../../tpp-registry/index.ts';
import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { Tpp, TppAuthenticator } from '../../tpp/authenticate.ts';
import { isDeepJson, NESTING_RULE } from '../request/nesting.ts';
import { assertTimes, readJwt, verifyJwt, ownClaims } from './signed-statement.ts';
import {
  JSON_TYPE,
  JWT_TYPES,
  memberRefusal,
  namesInRegister,
  type ProvenStatement,
  type RegistrationRequest,
  type StatementProfile,
  statementRefusal,
  unapprovedRefusal,
} from './statement-profile.ts';

export interface CertificateStatementOptions {
  readonly authenticator: Pick<TppAuthenticator, 'authenticateSeal'>;
  /** The audience of a sealed registration. */
  readonly issuer: string;
  readonly unknownMembers: StatementProfile['unknownMembers'];
  readonly allowsSelfSigned: boolean;
  readonly clock: Clock;
}

const SEALED = 'the sealed registration (RFC 7515 section 4.1.6, TS 119 495 clause 5.3)';
const PLAIN = 'the registration (RFC 7591 section 3.1)';
const NONE = 'the certificate is the statement here';
/** Of a sealed registration. */
const MAX_AGE_SECONDS = 300;
/** Real chains have two to four. */
const MAX_CERTIFICATES = 8;

/**
 * The statement profile `certificate`: the certificate of the connection is the statement. It and the register name the TPP
 * and its roles; the body has the rest, as JSON, or as a JWT under the seal of the same TPP.
 *
 * A sealed registration has the certificate of the seal in `x5c`, `iss` (the organizationIdentifier), `aud` (the issuer of this
 * server), `iat`, `exp` and the members of the registration as claims. The connection proves the same TPP, so that a copy is of
 * no use to another.
 */
export class CertificateStatement implements StatementProfile {
  readonly name = 'certificate';
  readonly unknownMembers: StatementProfile['unknownMembers'];
  readonly allowsSelfSigned: boolean;
  readonly #options: CertificateStatementOptions;

  constructor(options: CertificateStatementOptions) {
    this.#options = options;
    this.unknownMembers = options.unknownMembers;
    this.allowsSelfSigned = options.allowsSelfSigned;
  }

  isMeant({ mediaType }: RegistrationRequest): boolean {
    return mediaType === JSON_TYPE || JWT_TYPES.includes(mediaType);
  }

  async verify(request: RegistrationRequest): Promise<ProvenStatement> {
    const { tpp, mediaType, body } = request;
    const metadata = mediaType === JSON_TYPE ? membersOf(body) : await this.#unsealed(body.trim(), tpp);
    if (metadata.software_statement !== undefined) {
      throw unapprovedRefusal(`${NONE} (RFC 7591 section 2.3)`, 'software_statement cannot be judged');
    }
    return { metadata, names: namesInRegister(tpp) };
  }

  async #unsealed(text: string, tpp: Tpp): Promise<Readonly<Record<string, unknown>>> {
    const jwt = readJwt(text, SEALED, { algorithms: ['PS256', 'ES256'], allowsCertificates: true });
    const [der, ...intermediates] = certificatesOf(jwt.header.x5c);
    if (der === undefined) throw statementRefusal(SEALED, 'must have the certificate of the seal in x5c');
    const seal = await this.#sealOf(der, intermediates);
    if (
      seal.authorizationNumber !== tpp.authorizationNumber ||
      !(seal.statement.nca.id === tpp.nca.id || sameNca(seal.statement.nca.id, tpp.nca.id))
    ) {
      throw statementRefusal(
        SEALED,
        `is sealed by ${seal.authorizationNumber}, and the connection is of ${tpp.authorizationNumber}`,
      );
    }
    const claims = await verifyJwt(jwt, seal.certificate.publicKey, SEALED);
    this.#assertClaims(claims, tpp);
    return ownClaims(claims);
  }

  async #sealOf(der: Buffer, intermediates: readonly Buffer[]) {
    try {
      return await this.#options.authenticator.authenticateSeal({ der, intermediates });
    } catch (cause) {
      // Evidence that cannot be had at present is no fault of the statement.
      if (!isRefusal(cause) || cause.class === 'unavailable') throw cause;
      throw statementRefusal(SEALED, `has a certificate that is refused: ${cause.message}`, cause);
    }
  }

  #assertClaims(claims: JWTPayload, { authorizationNumber }: Tpp): void {
    const { issuer, clock } = this.#options;
    if (claims.iss !== authorizationNumber)
      throw statementRefusal(SEALED, `must have iss ${authorizationNumber}`);
    if (claims.aud !== issuer) throw statementRefusal(SEALED, `must have aud ${issuer}`);
    assertTimes(claims, SEALED, { clock, maxAgeSeconds: MAX_AGE_SECONDS, needsExpiry: true });
  }
}

/** The members of a registration in JSON. @throws ERR_REGISTRATION_METADATA */
export function membersOf(body: string): Readonly<Record<string, unknown>> {
  if (isDeepJson(body)) throw memberRefusal('body', NESTING_RULE);
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw memberRefusal('body', `must be a JSON object: ${PLAIN}`);
}

/** DER in plain base64 (RFC 7515 §4.1.6). */
function certificatesOf(x5c: unknown): readonly Buffer[] {
  if (!Array.isArray(x5c) || x5c.length > MAX_CERTIFICATES) return [];
  return x5c.every((one) => typeof one === 'string') ? x5c.map((one) => Buffer.from(one, 'base64')) : [];
}

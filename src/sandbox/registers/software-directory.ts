import { randomBytes, randomUUID } from 'node:crypto';
import { epochSeconds, systemClock } from '../../clock.ts';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A software of a TPP in the sandbox's directory. */
export interface ListedSoftware {
  readonly softwareId: string;
  readonly orgId: string;
  /** The number under which the authority knows the TPP. */
  readonly registrationId: string;
  readonly name: string;
  readonly organisation: string;
  readonly jwksUri: string;
  readonly redirectUris: readonly string[];
  /** The organisation on whose behalf the service is offered (UK). */
  readonly onBehalfOf?: string | undefined;
}

/** The markets whose software statements the directory issues. */
export type StatementShape = 'uk-obie' | 'open-finance-brasil' | 'cdr';

const HEX_BYTES = 8;
const CDR_LIFE_SECONDS = 600;
export const STATEMENT_ISSUERS = Object.freeze({
  'uk-obie': 'OpenBanking Ltd',
  'open-finance-brasil': 'Open Banking Brasil sandbox',
  cdr: 'cdr-register',
});

/**
 * The directory of the sandbox, which issues software statements as the directories of the UK, Brazil and Australia do. Its key
 * is made anew at each start: statements live for minutes.
 */
export class SoftwareDirectory {
  readonly #privateKey: CryptoKey;
  readonly #publicJwk: JWK;

  private constructor(privateKey: CryptoKey, publicJwk: JWK) {
    this.#privateKey = privateKey;
    this.#publicJwk = publicJwk;
  }

  static async create(): Promise<SoftwareDirectory> {
    const { privateKey, publicKey } = await generateKeyPair('PS256', { extractable: true });
    const kid = randomBytes(HEX_BYTES).toString('hex');
    return new SoftwareDirectory(privateKey, {
      ...(await exportJWK(publicKey)),
      kid,
      use: 'sig',
      alg: 'PS256',
    });
  }

  /** Its public keys, for banks. */
  get jwks(): { readonly keys: readonly JWK[] } {
    return { keys: [this.#publicJwk] };
  }

  /** A software statement in the shape of a market. `more` replaces claims, for broken ones. */
  statement(
    shape: StatementShape,
    software: ListedSoftware,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const now = epochSeconds(systemClock.now());
    const claims = { iss: STATEMENT_ISSUERS[shape], iat: now, ...CLAIMS[shape](software, now), ...more };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'PS256', typ: 'JWT', kid: String(this.#publicJwk.kid) })
      .sign(this.#privateKey);
  }
}

const CLAIMS: Readonly<
  Record<StatementShape, (software: ListedSoftware, now: number) => Record<string, unknown>>
> = {
  'uk-obie': (software) => ({
    jti: randomBytes(HEX_BYTES).toString('hex'),
    software_id: software.softwareId,
    software_client_id: software.softwareId,
    software_client_name: software.name,
    software_environment: 'sandbox',
    ...(software.onBehalfOf === undefined ? {} : { software_on_behalf_of_org: software.onBehalfOf }),
    software_mode: 'Test',
    software_version: '1.0',
    software_jwks_endpoint: software.jwksUri,
    software_redirect_uris: software.redirectUris,
    software_roles: ['AISP', 'PISP', 'CBPII'],
    organisation_competent_authority_claims: {
      authority_id: 'FCA',
      registration_id: software.registrationId,
      status: 'Active',
      authorisations: [{ member_state: 'GB', roles: ['AISP', 'PISP', 'CBPII'] }],
    },
    org_status: 'Active',
    org_id: software.orgId,
    org_name: software.organisation,
  }),
  'open-finance-brasil': (software) => ({
    jti: randomUUID(),
    software_id: software.softwareId,
    software_client_name: software.name,
    software_mode: 'Live',
    software_jwks_uri: software.jwksUri,
    software_redirect_uris: software.redirectUris,
    software_statement_roles: [
      { role: 'DADOS', authorisation_domain: 'Open Banking', status: 'Active' },
      { role: 'PAGTO', authorisation_domain: 'Open Banking', status: 'Active' },
    ],
    org_id: software.orgId,
    org_name: software.organisation,
    org_status: 'Active',
  }),
  cdr: (software, now) => ({
    exp: now + CDR_LIFE_SECONDS,
    jti: randomUUID(),
    legal_entity_id: software.registrationId,
    legal_entity_name: software.organisation,
    org_id: software.orgId,
    org_name: software.organisation,
    client_name: software.name,
    software_id: software.softwareId,
    software_roles: 'data-recipient-software-product',
    jwks_uri: software.jwksUri,
    redirect_uris: software.redirectUris,
    scope: 'openid accounts payments cdr:registration',
  }),
};

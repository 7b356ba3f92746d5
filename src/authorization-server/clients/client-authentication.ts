import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { matchesSubject } from '../../x509/certificate/subject-property.ts';
import type { ClientRecord } from './client-records.ts';
import { isClientOf, type RegisteredClient, tppOf } from './registered-client.ts';
import { profileOf, type Profiles } from '../profiles/profiles.ts';
import { findAudienceProblem } from '../request/assertion-audience.ts';
import { asProviderError, providerError } from '../request/oauth-error.ts';
import { assertDpopRegistered, hasProof } from '../request/dpop-proof.ts';
import {
  type CertificateRule,
  mayLackCertificate,
  noteRegisteredTpp,
  provenTpp,
} from '../request/tpp-gate.ts';

/** Longest life of a client assertion. It is also how long its `jti` must be remembered. */
const MAX_ASSERTION_SECONDS = 300;
/** FAPI 2.0 §5.3.2.1: up to 10 s ahead must pass, more than 60 s must not. */
const MAX_AHEAD_SECONDS = 60;

/**
 * A self-signed certificate proves the client that has registered it, and that client is proved by nothing else.
 *
 * @throws ERR_CERT_MISSING, ERR_CERT_SELF_SIGNED, ERR_TPP_CLIENT_MISMATCH
 */
function assertOwnClient(tpp: Tpp | undefined, client: Client): void {
  if (tpp === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
  const { authorizationNumber, nca, onlyClient } = tpp;
  if (onlyClient !== (client.self_signed === true ? client.clientId : undefined)) {
    const problem =
      onlyClient === undefined
        ? `client ${client.clientId} authenticates by the self-signed certificates of its keys only`
        : `client ${client.clientId} has not registered this certificate`;
    throw new OpenBankingError('ERR_CERT_SELF_SIGNED', { problem });
  }
  if (isClientOf(client, { authorizationNumber, nca: nca.id })) return;
  throw new OpenBankingError('ERR_TPP_CLIENT_MISMATCH', { authorizationNumber, clientId: client.clientId });
}

/**
 * `tls_client_auth` (RFC 8705 §2.1.2): the client belongs to the proven TPP, and the certificate has the subject that
 * the client registered, if any. `self_signed_tls_client_auth` (§2.2): the TPP gate has proved the certificate for this client. Synchronous: the provider does not await this hook.
 */
export function certificateSubjectMatches(ctx: KoaContextWithOIDC): boolean {
  const client = ctx.oidc.client;
  const tpp = provenTpp(ctx);
  if (client === undefined || tpp === undefined) return false;
  try {
    assertOwnClient(tpp, client);
    // The provider's arguments name a stand-in where no subject is registered (clients.ts).
    const subject = client.certificate_subject as RegisteredClient['subject'];
    if (subject !== undefined && !matchesSubject(tpp.certificate.parsed, subject.property, subject.value)) {
      const { property } = subject;
      throw new OpenBankingError('ERR_CLIENT_SUBJECT_MISMATCH', { clientId: client.clientId, property });
    }
    assertDpopRegistered(client, dpopOf(ctx));
    return true;
  } catch (error) {
    if (!(error instanceof OpenBankingError)) throw error;
    // For the answer and the log: this hook can only return false.
    ctx.state.refusal ??= error;
    return false;
  }
}

/** The form as it came: the provider reads its other parameters once the client is known. */
function dpopOf(ctx: KoaContextWithOIDC) {
  const { body } = ctx.oidc as { readonly body?: Readonly<Record<string, unknown>> };
  return { proof: hasProof(ctx.req), jkt: body?.dpop_jkt };
}

interface AssertionOptions extends CertificateRule {
  readonly authorisationStatus: Pick<AuthorisationStatus, 'verify'>;
  readonly clock: Clock;
  readonly profiles: Profiles;
  readonly issuer: string;
  readonly mtlsUrl: URL;
}

/**
 * `private_key_jwt`: the rules of FAPI 2.0 §5.3.2.1 that the provider leaves to this hook (audience, life),
 * and the tie between client and TPP, which the provider never checks for this method. Where the request may come
 * without a certificate, the TPP of the client must be authorised and not blocked.
 */
export function assertClientAssertion(options: AssertionOptions) {
  const { authorisationStatus, clock, profiles, issuer, mtlsUrl } = options;
  return async (
    ctx: KoaContextWithOIDC,
    claims: Record<string, unknown>,
    header: Record<string, unknown>,
    client: Client,
  ) => {
    const now = epochSeconds(clock.now());
    const refuse = (problem: string) =>
      providerError(new OpenBankingError('ERR_CLIENT_ASSERTION', { clientId: client.clientId, problem }));
    // RFC 7515 §4.1.11 and RFC 7797: extensions that change what is signed, and that the provider does not read.
    const extension = ['crit', 'b64'].find((name) => header[name] !== undefined);
    if (extension !== undefined) throw refuse(`the header must not have ${extension}`);
    const profile = profileOf(client, profiles);
    const algorithms: readonly unknown[] = profile.clientAlgorithms;
    if (!algorithms.includes(header.alg)) throw refuse(`alg must be one of ${algorithms.join(', ')}`);
    const audience = findAudienceProblem(claims.aud, profile, { issuer, mtlsUrl, path: ctx.path });
    if (audience !== undefined) throw refuse(audience);
    if (claims.sub !== client.clientId) throw refuse('sub must be the client_id');
    if (typeof claims.jti !== 'string' || claims.jti.length > 256)
      throw refuse('jti must be a string of at most 256 characters');
    if (typeof claims.exp !== 'number' || claims.exp > now + MAX_ASSERTION_SECONDS + MAX_AHEAD_SECONDS) {
      throw refuse(`exp must be at most ${MAX_ASSERTION_SECONDS} seconds ahead`);
    }
    for (const name of ['iat', 'nbf'] as const) {
      const at = claims[name];
      if (typeof at === 'number' && at > now + MAX_AHEAD_SECONDS)
        throw refuse(`${name} is more than ${MAX_AHEAD_SECONDS} seconds in the future`);
    }
    const tpp = provenTpp(ctx);
    asProviderError(() => {
      if (tpp === undefined && mayLackCertificate(ctx, client, options)) {
        noteRegisteredTpp(ctx, authorisationStatus.verify(tppOf(client)));
      } else {
        assertOwnClient(tpp, client);
      }
      assertDpopRegistered(client, dpopOf(ctx));
    });
  };
}

/**
 * Notes for answer and log that a client exists and may not act. Only its own TPP finds that out; to every other caller the
 * client is unknown.
 */
export function noteInactive(
  ctx: KoaContextWithOIDC | undefined,
  record: ClientRecord | undefined,
): undefined {
  const tpp = ctx === undefined ? undefined : provenTpp(ctx);
  if (ctx === undefined || tpp === undefined || record === undefined || record.status === 'ending') return;
  const { authorizationNumber, nca } = tpp;
  const { client, status } = record;
  if (!isClientOf(client, { authorizationNumber, nca: nca.id })) return;
  ctx.state.refusal ??= new OpenBankingError('ERR_CLIENT_NOT_ACTIVE', { clientId: client.client_id, status });
}

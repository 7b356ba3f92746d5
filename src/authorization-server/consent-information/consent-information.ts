import { createHash } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import { type Clock, epochSeconds } from '../../clock.ts';
import { CONSENT_ID, type Consent } from '../../consent/consent.ts';
import { consentInformationOf } from '../../consent/consent-information.ts';
import type { ConsentRecords } from '../../consent/consent-records.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import { OpenBankingError } from '../../errors.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { CONSENT_INFORMATION_PATH } from '../request/routes.ts';
import { type Signer, signJwt } from '../signing/signer.ts';
import { type RegisteredResourceServer, ResourceServerIdentification } from '../tokens/resource-servers.ts';

export interface ConsentInformationOptions {
  readonly consents: Pick<ConsentRecords, 'find'>;
  readonly consentUses: Pick<ConsentUses, 'note'>;
  readonly resourceServers: readonly RegisteredResourceServer[];
  /** The audience of access tokens, and of the consents behind them. */
  readonly resource: string;
  readonly clientCertificate: ClientCertificateSource;
  readonly signer: Signer;
  readonly issuer: string;
  readonly clock: Clock;
}

const SIGNED_TYPE = 'application/consent-information+jwt';
/** An ended consent must show within five seconds, whatever keeps the answer on its way. */
const MAX_AGE_SECONDS = 2;

/**
 * Answers resource servers about a consent: as JSON, or signed when they ask for it, as the introspection endpoint does. They
 * prove themselves by a certificate of the bank's own CA. A resource server of another audience gets the answer to a consent
 * that does not exist.
 *
 * @throws ERR_CERT_MISSING, ERR_CLIENT_AUTHENTICATION, ERR_HTTP_NOT_FOUND, and what the certificate source throws
 */
export function serveConsentInformation(options: ConsentInformationOptions): Middleware {
  const identification = new ResourceServerIdentification(options.resourceServers);
  return async (ctx) => {
    const server = resourceServerOf(ctx, identification, options);
    const consent = server.resource === options.resource ? await findConsent(ctx.path, options) : undefined;
    if (consent === undefined) {
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 200) });
    }
    options.consentUses.note(consent.consentId);
    const information = consentInformationOf(consent);
    ctx.set('vary', 'accept');
    ctx.status = 200;
    if (ctx.accepts('json', SIGNED_TYPE) === SIGNED_TYPE) {
      ctx.set('cache-control', 'no-store');
      ctx.body = await signed(information, server, options);
      ctx.type = SIGNED_TYPE;
      return;
    }
    const text = JSON.stringify(information);
    ctx.set('cache-control', `private, max-age=${MAX_AGE_SECONDS}`);
    const etag = `"${createHash('sha256').update(text).digest('base64url')}"`;
    ctx.set('etag', etag);
    ctx.type = 'application/json';
    // Not `ctx.fresh`: clients of fetch send `Cache-Control: no-cache` with every entity tag of theirs.
    if (ctx.get('if-none-match') === etag) ctx.status = 304;
    else ctx.body = text;
  };
}

/** The resource server that asks: the one that `client_id` names, or the first of the certificate that has the audience. */
function resourceServerOf(
  ctx: Context,
  identification: ResourceServerIdentification,
  { clientCertificate, resource, clock }: ConsentInformationOptions,
): RegisteredResourceServer {
  const { certificate, intermediates } = clientCertificate.read(ctx.req);
  if (certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
  ctx.state.certificate = certificate;
  const candidates = identification.find(certificate, () => intermediates, clock.now());
  if (candidates.length === 0) throw unauthenticated('the certificate is of no resource server');
  const { client_id: clientId } = ctx.query;
  const named = candidates.filter((one) => clientId === undefined || one.client_id === clientId);
  const server = named.find((one) => one.resource === resource) ?? named[0];
  if (server === undefined) throw unauthenticated('client_id is not of the certificate');
  return server;
}

async function findConsent(
  path: string,
  { consents }: ConsentInformationOptions,
): Promise<Consent | undefined> {
  const consentId = decoded(path.slice(CONSENT_INFORMATION_PATH.length));
  return CONSENT_ID.test(consentId) ? consents.find(consentId) : undefined;
}

/** Empty for a text that is not percent-encoded UTF-8. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return '';
    throw error;
  }
}

/** The signed answer. It has neither `sub` nor `exp` at its top, so it cannot pass as an access token (RFC 9701 §5). */
function signed(
  information: Readonly<Record<string, unknown>>,
  server: RegisteredResourceServer,
  { signer, issuer, clock }: ConsentInformationOptions,
): Promise<string> {
  return signJwt(signer, {
    typ: 'consent-information+jwt',
    claims: {
      consent_information: information,
      iss: issuer,
      aud: server.client_id,
      iat: epochSeconds(clock.now()),
    },
  });
}

function unauthenticated(problem: string): OpenBankingError<'ERR_CLIENT_AUTHENTICATION'> {
  return new OpenBankingError('ERR_CLIENT_AUTHENTICATION', { problem });
}

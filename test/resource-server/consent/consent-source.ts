import { SignJWT } from 'jose';
import { type createTestCertificates, ISSUER, NOW, serveOverTls, type TestIssuer } from '../issuer.ts';

export const CONSENT = {
  consentId: 'consent-1',
  status: 'authorised',
  clientId: 'acme',
  authorizationNumber: 'PSDGB-FCA-1',
  subject: 'psu-1',
  scopes: ['accounts'],
  accountIds: ['acc-1', 'acc-2'],
  actions: ['list_accounts', 'read_balances'],
  permissions: ['ReadBalances', 'ReadTransactionsBasic'],
  details: [{ type: 'account_information', actions: ['list_accounts', 'read_balances'] }],
  paymentHashes: [] as string[],
  contentHash: 'hash',
  expiresAt: new Date(NOW.getTime() + 3_600_000).toISOString(),
};

/** An authorization server that answers about consents and about nothing else, over real mTLS. */
export async function serveConsents(
  issuer: TestIssuer,
  certificates: Awaited<ReturnType<typeof createTestCertificates>>,
) {
  const state = {
    /** The answer to every question: members of a consent, a status, or silence. */
    answer: CONSENT as object | number | 'silence',
    /** The time of issuer and API. */
    now: NOW,
    questions: [] as { readonly url: string; readonly etag: string | undefined }[],
  };
  const server = await serveOverTls(async (request, response) => {
    const etag = request.headers['if-none-match'];
    state.questions.push({ url: request.url ?? '', etag });
    const { answer } = state;
    if (answer === 'silence') return;
    if (typeof answer === 'number') {
      response.writeHead(answer).end();
      return;
    }
    const current = JSON.stringify(answer);
    if (etag === `"${current.length}"`) {
      response.writeHead(304).end();
      return;
    }
    if (request.headers.accept === 'application/json') {
      response.writeHead(200, { 'content-type': 'application/json', etag: `"${current.length}"` });
      response.end(current);
      return;
    }
    const signed = await new SignJWT({
      iss: ISSUER,
      aud: 'api',
      iat: state.now.getTime() / 1000,
      consent_information: answer,
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'consent-information+jwt', kid: 'one' })
      .sign(issuer.privateKey);
    response.writeHead(200, { 'content-type': 'application/consent-information+jwt' }).end(signed);
  }, certificates);
  return {
    state,
    options: {
      endpoint: `${server.url}/consent-information/`,
      clientId: 'api',
      certificatePem: certificates.two.certificatePem,
      privateKeyPem: certificates.two.privateKeyPem,
    },
    close: () => server.close(),
  };
}

export type ConsentSource = Awaited<ReturnType<typeof serveConsents>>;

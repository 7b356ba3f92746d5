import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientSchema } from '../../../../src/authorization-server/clients/client-schema.ts';
import type { Ports } from '../../../durability/bank.ts';
import { claimsOf, codeOf, Tpp } from '../../../durability/tpp.ts';
import { startTestSandbox, type TestSandbox } from '../../running-sandbox.ts';

const AGENT = `Budget <img src=x onerror="alert(1)"> & Co`;
const PURPOSE = `<script>alert('loan')</script> A loan`;
const escaped = (text: string) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

describe('the TPP that asks: its agent and its purpose', () => {
  let sandbox: TestSandbox;
  let tpp: Tpp;
  let to: { readonly ports: Ports };
  let client: object;
  beforeAll(async () => {
    sandbox = await startTestSandbox({
      amendConfiguration: (own) => {
        const { clients } = own as { readonly clients: readonly object[] };
        [client = {}] = clients;
        return { ...own, clients: clients.map((one) => ({ ...one, software_on_behalf_of_org: AGENT })) };
      },
    });
    tpp = new Tpp(sandbox);
    const { issuer, mtlsUrl } = sandbox.description;
    const [front = 0, mtls = 0] = [issuer, mtlsUrl].map((url) => Number(new URL(url).port));
    to = { ports: { front, mtls, health: 0 } };
  });
  afterAll(async () => {
    tpp.close();
    await sandbox.stop();
  });
  const pushed = (purpose?: string) => {
    const detail = { type: 'account_information', actions: ['list_accounts'], purpose };
    return tpp.pushed(to, { authorization_details: JSON.stringify([detail]) });
  };

  it('K10: are on the pages as text', async () => {
    const { requestUri } = await pushed(PURPOSE);
    const cookies = new Map<string, string>();
    const query = new URLSearchParams({ client_id: tpp.clientId, request_uri: requestUri });
    const start = await tpp.browse(to, `/authorize?${query}`);
    for (const line of [start.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const { text } = await tpp.browse(to, String(start.headers.location), { cookies });
    for (const one of [AGENT, PURPOSE]) {
      expect(text).toContain(escaped(one));
      expect(text).not.toContain(one);
    }
  });

  it('are kept with the consent, as the customer saw them', async () => {
    for (const purpose of [PURPOSE, undefined]) {
      const { requestUri, verifier } = await pushed(purpose);
      const code = codeOf(await (await tpp.walk(to, requestUri)).end()) ?? '';
      const { json } = await tpp.exchange(to, { code, verifier });
      const { consent_id: consentId } = claimsOf(String(json.access_token));
      const consent = await sandbox.server.consents.find(String(consentId));
      expect(consent?.requester?.agent).toBe(AGENT);
      expect(consent?.requester?.purpose).toBe(purpose);
    }
  });

  it('are bounded, and have no characters that are not shown', async () => {
    for (const agent of ['', 'x'.repeat(141), ' Budget', 'Budget\u202e']) {
      const { error } = clientSchema.safeParse({ ...client, software_on_behalf_of_org: agent });
      expect(error?.issues[0]?.path).toEqual(['software_on_behalf_of_org']);
    }
    expect(clientSchema.safeParse({ ...client, software_on_behalf_of_org: 'Budget' }).success).toBe(true);
    await expect(pushed('x'.repeat(141))).rejects.toThrow('PAR: 400');
  });
});

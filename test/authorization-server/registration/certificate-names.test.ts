import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { certificateSubjectMatches } from '../../../src/authorization-server/clients/client-authentication.ts';
import { clientSchema } from '../../../src/authorization-server/clients/client-schema.ts';
import { Provider } from '../../../src/authorization-server/provider-internals.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { DemoBrowser } from '../../../src/sandbox/demo/demo-browser.ts';
import * as factory from '../../x509/certificate-factory.ts';
import * as der from '../../x509/der-writer.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import {
  NameIssuer,
  NUMBER,
  OTHER_NUMBER,
  REFUSED,
  ROWS,
  CLOSED,
  type NameRow,
  subject,
} from './certificate-names.ts';
import { changeable, GOOD, REDIRECT, RegisteringTpp } from './registering.ts';

/** The client of a row, as a file has it. */
function filed({ property, value }: Pick<NameRow, 'property' | 'value'>, at: number) {
  return {
    client_id: `filed-${at}`,
    client_name: 'Money One',
    authorization_number: NUMBER,
    token_endpoint_auth_method: 'tls_client_auth',
    grant_types: ['client_credentials'],
    scope: 'accounts',
    [property]: value,
  };
}

let sandbox: TestSandbox;
let issuer: NameIssuer;
const known = new Map<string, RegisteringTpp>();
beforeAll(async () => {
  const entries = ROWS.map(filed).filter((_, at) => ROWS[at]?.outcome !== 'malformed');
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      registration: {
        profiles: [{ profile: 'certificate' }],
        redirectHosts: 'certificate',
        quotas: { clients: 500, requestsPerHour: 10_000 },
      },
      clients: [...(value.clients as readonly object[]), ...entries],
    }),
  });
  issuer = new NameIssuer(sandbox.folder, sandbox.description);
});
afterAll(() => sandbox.stop());

/** The holder of a certificate with these names; rows with the same names share it. */
function holderOf(names: Parameters<NameIssuer['issue']>[0]): RegisteringTpp {
  const key = JSON.stringify([names.subject, names.names]);
  const holder = known.get(key) ?? new RegisteringTpp(sandbox, issuer.issue(names));
  known.set(key, holder);
  return holder;
}

const PLAIN = Object.freeze({ grant_types: ['client_credentials'], scope: 'accounts' });

describe('a registered subject, beside the names of a certificate', () => {
  it.each(ROWS.map((row, at) => ({ ...row, at })))('$property: $title: $outcome', async (row) => {
    const { property, value, outcome, at } = row;
    const holder = holderOf(row);
    const { status, json } = await holder.register({ ...PLAIN, [property]: value });
    const isFiled = clientSchema.safeParse(filed(row, at)).success;
    if (outcome === 'malformed') {
      expect([status, json.error, isFiled]).toEqual([400, 'invalid_client_metadata', false]);
      expect(json.error_description).toMatch(/^ERR_REGISTRATION_METADATA[\x20-\x7e]*tls_client_auth_/);
      return;
    }
    const ofFile = await holder.token(`filed-${at}`);
    if (outcome === 'of another') {
      expect([status, json.error]).toEqual([400, 'invalid_client_metadata']);
      expect(json.error_description).toContain('is not the subject of the certificate of this connection');
      expect(ofFile.text).toContain('ERR_CLIENT_SUBJECT_MISMATCH');
      return;
    }
    expect([status, json[property], json.client_name]).toEqual([201, value, 'Money One']);
    const other = new RegisteringTpp(sandbox);
    for (const clientId of [json.client_id, `filed-${at}`]) {
      expect((await holder.token(clientId)).status).toBe(200);
      expect((await other.token(clientId)).text).toContain('ERR_CLIENT_SUBJECT_MISMATCH');
    }
  });

  it('binds nothing but tls_client_auth: beside another method it is refused, in a file too (E9)', async () => {
    const members = {
      token_endpoint_auth_method: 'private_key_jwt',
      tls_client_auth_san_dns: 'one.tpp.example',
      jwks: { keys: [{ ...factory.ecKeys().publicKey.export({ format: 'jwk' }), kid: 'one' }] },
    };
    const { status, json } = await holderOf({
      subject: subject(),
      names: [factory.general.dns('one.tpp.example')],
    }).register({ ...PLAIN, ...members });
    expect([status, json.error_description]).toEqual([
      400,
      expect.stringContaining('is for tls_client_auth'),
    ]);
    const entry = {
      ...filed({ property: 'tls_client_auth_san_dns', value: 'one.tpp.example' }, 0),
      ...members,
    };
    expect(clientSchema.safeParse(entry).error?.issues).toMatchObject([
      { path: ['tls_client_auth_san_dns'] },
    ]);
    const { tls_client_auth_san_dns: _, ...without } = entry;
    expect(clientSchema.safeParse(without).success).toBe(true);
  });

  it('is one of several of its kind: a renewed certificate without it is of another (E7, E10)', async () => {
    const before = holderOf({
      subject: subject(),
      names: [factory.general.dns('a.tpp.example'), factory.general.dns('b.tpp.example')],
    });
    const after = holderOf({
      subject: subject(),
      names: [factory.general.dns('a.tpp.example'), factory.general.uri('dns:b.tpp.example')],
    });
    const registered = await before.register({ ...PLAIN, tls_client_auth_san_dns: 'b.tpp.example' });
    expect((await before.token(registered.json.client_id)).status).toBe(200);
    expect((await after.token(registered.json.client_id)).text).toContain('ERR_CLIENT_SUBJECT_MISMATCH');
    // The TPP has the client still, and names the subject that its certificate has.
    const body = { ...changeable(registered), tls_client_auth_san_dns: 'a.tpp.example' };
    expect((await after.manage('PUT', registered, { body })).status).toBe(200);
    expect((await after.token(registered.json.client_id)).status).toBe(200);
  });

  it('makes no client another TPP’s, whoever has the same host names and common name (E1, E7)', async () => {
    const names = [factory.general.dns('money-one.tpp.example')];
    const twin = holderOf({
      subject: subject({ cn: der.utf8('money-one.tpp.example'), ids: [der.utf8(OTHER_NUMBER)] }),
      names,
    });
    const one = new RegisteringTpp(sandbox);
    const own = await one.register({ ...PLAIN, tls_client_auth_san_dns: 'money-one.tpp.example' });
    const copy = await twin.register({ ...PLAIN, tls_client_auth_san_dns: 'money-one.tpp.example' });
    expect([own.status, copy.status, copy.json.client_name]).toEqual([201, 201, 'Money Two']);
    for (const [holder, clientId] of [
      [twin, own.json.client_id],
      [one, copy.json.client_id],
    ] as const) {
      expect((await holder.token(clientId)).text).toContain('ERR_TPP_CLIENT_MISMATCH');
    }
    // Neither at the registration nor later.
    const claimed = `CN=money-one.tpp.example,organizationIdentifier=${NUMBER},O=Sandbox Money One Ltd,C=GB`;
    const asOne = await one.register({ ...PLAIN, tls_client_auth_subject_dn: claimed });
    expect(asOne.status).toBe(201);
    const { tls_client_auth_san_dns: _, ...rest } = changeable(copy);
    const body = { ...rest, tls_client_auth_subject_dn: claimed };
    for (const { status, text } of [
      await twin.register({ ...PLAIN, tls_client_auth_subject_dn: claimed }),
      await twin.manage('PUT', copy, { body }),
    ]) {
      expect([status, text]).toEqual([400, expect.stringContaining('is not the subject')]);
    }
    expect((await twin.token(copy.json.client_id)).status).toBe(200);
    expect((await twin.token(asOne.json.client_id)).text).toContain('ERR_TPP_CLIENT_MISMATCH');
  });

  it('opens redirect URIs of the hosts of a certificate only, a wildcard and a trailing dot of none (E10, H8)', async () => {
    const holder = holderOf({
      subject: subject({ cn: der.utf8('cn.tpp.example') }),
      names: [
        ...['A.tpp.example', '*.wild.example', 'dot.tpp.example.', 'xn--bcher-kva.example'].map(
          factory.general.dns,
        ),
        factory.general.uri('https://uri.tpp.example'),
        factory.general.email('ops@mail.tpp.example'),
      ],
    });
    const outcomes = await Promise.all(
      [
        ...['a.tpp.example', 'A.TPP.example', 'xn--bcher-kva.example'],
        ...['a.tpp.example.', 'x.wild.example', 'dot.tpp.example.', 'dot.tpp.example'],
        ...['cn.tpp.example', 'uri.tpp.example', 'mail.tpp.example'],
      ].map(async (host) => {
        const { status, json } = await holder.register({
          redirect_uris: [`https://${host}/cb`],
          scope: 'accounts',
        });
        return [host, status, json.error];
      }),
    );
    const refused = [400, 'invalid_redirect_uri'];
    expect(outcomes).toEqual([
      ['a.tpp.example', 201, undefined],
      ['A.TPP.example', 201, undefined],
      ['xn--bcher-kva.example', 201, undefined],
      ['a.tpp.example.', ...refused],
      ['x.wild.example', ...refused],
      ['dot.tpp.example.', ...refused],
      ['dot.tpp.example', ...refused],
      ['cn.tpp.example', ...refused],
      ['uri.tpp.example', ...refused],
      ['mail.tpp.example', ...refused],
    ]);
  });
});

describe('a certificate with other names than a TPP may have', () => {
  it.each(REFUSED)('registers no client and uses none: %s', async (_title, names, code) => {
    const holder = holderOf(names);
    const registered = await holder.register(PLAIN);
    const { client_id: ofFile } = tppNamed(sandbox.description, 'money-one').clients.tls_client_auth;
    const token = await holder.token(ofFile);
    expect(registered.status).toBeGreaterThanOrEqual(400);
    expect([registered.text, token.text]).toEqual([
      expect.stringContaining(code),
      expect.stringContaining(code),
    ]);
    expect(registered.text.length + token.text.length).toBeLessThan(2000);
    expect(token.json.access_token).toBeUndefined();
  });

  it.each(CLOSED)('ends the connection: %s', async (_title, names) => {
    const holder = holderOf(names);
    await expect(holder.register(PLAIN)).rejects.toThrow('fetch failed');
    expect((await new RegisteringTpp(sandbox).register(PLAIN)).status).toBe(201);
  });

  it('leaves nothing in the log that a reader cannot see, and no long line (E2)', async () => {
    const lines = (await readFile(sandbox.logFile, 'utf8')).split('\n');
    expect(lines.length).toBeGreaterThan(ROWS.length);
    expect(
      lines.filter((line) => /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u.test(line)),
    ).toEqual([]);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(4096);
  });
});

describe('the comparison of subjects', () => {
  it('answers true or false at once: a promise, which is true to a condition, proves nobody (E12)', async () => {
    // The library refuses every answer that is no boolean.
    const matches = vi.fn((): boolean => Promise.resolve(true) as never);
    const provider = new Provider('http://localhost', {
      clients: [
        {
          client_id: 'one',
          token_endpoint_auth_method: 'tls_client_auth',
          tls_client_auth_subject_dn: 'CN=one',
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
      ],
      clientAuthMethods: ['tls_client_auth'],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        mTLS: {
          enabled: true,
          tlsClientAuth: true,
          getCertificate: () => 'certificate',
          certificateAuthorized: () => true,
          certificateSubjectMatches: () => matches(),
        },
      },
    });
    provider.on('server_error', () => {});
    const server = createServer(provider.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const ask = async () =>
      fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'one' }),
      });
    const promised = await ask();
    expect([promised.status, await promised.json()]).toMatchObject([500, { error: 'server_error' }]);
    matches.mockReturnValue(true);
    expect((await ask()).status).toBe(200);
    server.closeAllConnections();
    server.close();
    // Ours never makes one.
    expect(certificateSubjectMatches({ oidc: {}, state: {} } as never)).toBe(false);
    expect(certificateSubjectMatches.constructor.name).toBe('Function');
  });
});

it('needs no subject: the certificate of every name of the TPP is the client’s (E4, E9)', async () => {
  const registered = await new RegisteringTpp(sandbox).register({
    ...GOOD,
    redirect_uris: [new URL(REDIRECT).href.replace('app.', '')],
  });
  expect(registered.status).toBe(201);
  const holder = holderOf({ subject: subject({ cn: der.bmp('Äcme \u202e') }) });
  expect((await holder.token(registered.json.client_id)).status).toBe(200);
});

describe('the customer', () => {
  /** The first page that a customer sees, with the name of the service and the TPP. */
  async function firstPage(holder: RegisteringTpp, clientId: string, redirectUri: string): Promise<string> {
    const { mtlsUrl, issuer, caFile } = sandbox.description;
    const pushed = await sandbox.send(`${mtlsUrl}/par`, {
      method: 'POST',
      certificate: holder.certificate,
      body: new URLSearchParams({
        ...{
          client_id: clientId,
          response_type: 'code',
          redirect_uri: redirectUri,
          scope: 'openid accounts',
        },
        ...{ code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' },
      }),
    });
    expect(pushed.status, pushed.text).toBe(201);
    const browser = await DemoBrowser.open(caFile);
    let url = new URL(`${issuer}/authorize`);
    url.search = String(
      new URLSearchParams({ client_id: clientId, request_uri: String(pushed.json.request_uri) }),
    );
    for (let page = 0; page < 5; page += 1) {
      const { html, location } = await browser.visit(url);
      if (location === null) {
        await browser.close();
        return html;
      }
      url = new URL(location, url);
    }
    throw new Error('no page is shown');
  }

  it('sees the names of the register, whatever certificate or statement name (E5, H9)', async () => {
    const redirectUri = 'https://money-one.tpp.example/callback';
    const holder = holderOf({
      subject: subject({ cn: der.utf8('Demo Bank'), o: der.utf8('Demo Bank plc') }),
      names: [factory.general.dns('money-one.tpp.example')],
    });
    const { json, status } = await holder.register({
      redirect_uris: [redirectUri],
      scope: 'openid accounts',
    });
    expect(status).toBe(201);
    const own = await firstPage(holder, String(json.client_id), redirectUri);
    expect(own).toContain('<bdi>Money One</bdi>');
    expect(own).not.toContain('Demo Bank plc');
    // A directory has vouched for the name of the bank, and for markup.
    const found = await sandbox.server.clients.findRecord(String(json.client_id));
    if (found === undefined) throw new Error('the client is missing');
    for (const [at, name] of ['Demo Bank', 'Money Two', '<b>Demo Bank</b>'].entries()) {
      const client = { ...found.client, client_id: `vouched-${at}`, client_name: name };
      await sandbox.server.clients.register(client);
      const page = await firstPage(holder, client.client_id, redirectUri);
      expect(page).toContain(`<bdi>${name.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}</bdi>`);
      for (const html of [own, page]) {
        expect(html).toContain('<bdi>Sandbox Money One Ltd</bdi>');
        expect(html).toContain(NUMBER);
        expect(html).not.toContain(OTHER_NUMBER);
      }
    }
  });
});

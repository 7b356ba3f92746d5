import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import type { CertificateFiles } from '../../../src/sandbox/folder.ts';
import { blocksOf, readPage } from '../../docs/pages.ts';
import { GOOD, RegisteringTpp } from '../registration/registering.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

let sandbox: TestSandbox;
let blocksFile = '';
beforeAll(async () => {
  blocksFile = join(await mkdtemp(join(tmpdir(), 'tallystick-blocks-')), 'blocked.json');
  await writeFile(blocksFile, JSON.stringify({ blocked: [] }));
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      registration: { profiles: [{ profile: 'certificate' }] },
      blockList: { file: blocksFile },
    }),
  });
});
afterAll(async () => {
  await sandbox.stop();
  await rm(dirname(blocksFile), { recursive: true });
});

const check = (certificate?: CertificateFiles) =>
  sandbox.send(
    `${sandbox.description.mtlsUrl}/tpp/self-check`,
    certificate === undefined ? {} : { certificate },
  );
interface Clients {
  readonly usable: readonly string[];
  readonly ofAnotherSubject: readonly string[];
  readonly notActive: readonly string[];
}
type Answer = { readonly json: Record<string, unknown> };
const clientsOf = ({ json }: Answer) => json.clients as Clients;
const registrationOf = ({ json }: Answer) => json.registration as Record<string, unknown>;

describe('the self-check of an accepted certificate', () => {
  it('has the decision tree, roles, scopes and clients of the own TPP only', async () => {
    const tpp = tppNamed(sandbox.description, 'money-one');
    const answer = await check(tpp);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.json).toMatchObject({
      decision: 'accepted',
      tpp: { authorizationNumber: tpp.organizationIdentifier, roles: expect.arrayContaining(['PSP_AI']) },
      scopes: expect.arrayContaining(['accounts']),
      groups: expect.arrayContaining([
        expect.objectContaining({
          title: 'identifier',
          steps: expect.arrayContaining([
            expect.objectContaining({
              rule: 'organizationIdentifier',
              outcome: 'passed',
              found: tpp.organizationIdentifier,
            }),
          ]),
        }),
      ]),
    });
    expect(answer.text).not.toContain('sources of the registry');
    const other = tppNamed(sandbox.description, 'money-two');
    expect(answer.text).not.toContain(other.organizationIdentifier);
    expect(clientsOf(answer).usable).toEqual(
      expect.arrayContaining([tpp.clients.tls_client_auth.client_id, tpp.clients.private_key_jwt.client_id]),
    );
    expect(clientsOf(answer).usable).not.toContain(other.clients.tls_client_auth.client_id);
    const [event] = await sandbox.events({ event: 'tpp.self_checked' });
    expect(event).toMatchObject({ outcome: 'accepted', authorizationNumber: tpp.organizationIdentifier });
  });

  it('names what a registration gets, and that is what it gets', async () => {
    const one = new RegisteringTpp(sandbox, 'money-one');
    const registration = registrationOf(await check(one.certificate));
    const [name] = registration.clientNames as readonly string[];
    const registered = await one.register({
      ...GOOD,
      client_name: name,
      scope: registration.scope,
      profile: (registration.profiles as readonly string[])[0],
      tls_client_auth_subject_dn: registration.tls_client_auth_subject_dn,
    });
    expect(registered).toMatchObject({
      status: 201,
      json: { client_name: name, scope: registration.scope },
    });
  });

  it('has the clients by their use: of another subject with the renewed certificate, and disabled', async () => {
    const two = new RegisteringTpp(sandbox, 'money-two');
    const { tls_client_auth_subject_dn: subject } = registrationOf(await check(two.certificate));
    const bound = String(
      (await two.register({ ...GOOD, tls_client_auth_subject_dn: subject })).json.client_id,
    );
    const disabled = String((await two.register()).json.client_id);
    await sandbox.server.clients.disable(disabled);
    const { renewed } = tppNamed(sandbox.description, 'money-two');
    const [before, after] = [clientsOf(await check(two.certificate)), clientsOf(await check(renewed))];
    expect(before.usable).toContain(bound);
    expect([before.notActive, after.notActive]).toEqual([[disabled], [disabled]]);
    expect([...after.usable, ...after.ofAnotherSubject]).toContain(bound);
    expect(after.ofAnotherSubject.includes(bound)).toBe(
      (await new RegisteringTpp(sandbox, renewed).token(bound)).status !== 200,
    );
  });
});

describe('the self-check of a refused certificate', () => {
  it('has the code of every broken certificate, and no fact of a TPP', async () => {
    // A role is missing for a scope, and the self-check asks for no scope.
    const refused = sandbox.description.broken.filter(({ name }) => name !== 'wrong-role');
    for (const broken of refused) {
      const { status, json } = await check(broken);
      const { name, expectedCode: code } = broken;
      expect({ name, status, code: json.code, decision: json.decision }).toEqual({
        name,
        status: 200,
        code,
        decision: 'refused',
      });
      const groups = json.groups as readonly { readonly steps: readonly Record<string, unknown>[] }[];
      const steps = groups.flatMap(({ steps }) => steps).filter(({ outcome }) => outcome === 'refused');
      expect(steps.length).toBeLessThanOrEqual(1);
      expect(json.error_description).toContain(code);
      expect(['tpp', 'scopes', 'clients', 'registration'].filter((one) => one in json)).toEqual([]);
    }
    expect(refused.length).toBeGreaterThan(10);
  }, 30_000);

  it('needs a certificate, GET, and the mTLS listener', async () => {
    expect((await check()).json.error_description).toContain('ERR_CERT_MISSING');
    const certificate = tppNamed(sandbox.description, 'money-one');
    const url = `${sandbox.description.mtlsUrl}/tpp/self-check`;
    expect((await sandbox.send(url, { certificate, method: 'POST' })).status).toBe(405);
    expect((await sandbox.send(`${sandbox.description.issuer}/tpp/self-check`)).status).toBe(404);
  });

  it('is bounded for each certificate: 429 with Retry-After, and other certificates go on', async () => {
    const { renewed, ...tpp } = tppNamed(sandbox.description, 'accounts-app');
    const statuses = [];
    for (let at = 0; at < 11; at += 1) statuses.push((await check(renewed)).status);
    expect(statuses).toEqual([...Array(10).fill(200), 429]);
    const limited = await check(renewed);
    expect(limited.json.error_description).toContain('ERR_SELF_CHECK_LIMIT');
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await check(tpp)).status).toBe(200);
  });
});

describe('the bank', () => {
  it('blocks a TPP: the answer has the code, and not the reason', async () => {
    const name = 'pay-by-bank';
    const { organizationIdentifier } = tppNamed(sandbox.description, name);
    const reason = 'a reason of the bank alone';
    const block = { authorizationNumber: organizationIdentifier, reason, since: '2026-01-01' };
    await writeFile(blocksFile, JSON.stringify({ blocked: [block] }));
    const blocked = tppNamed(sandbox.description, name);
    await expect
      .poll(async () => (await check(blocked)).json.code, { timeout: 8000, interval: 1000 })
      .toBe('ERR_TPP_BLOCKED');
    const { text } = await check(blocked);
    expect(text).not.toContain(reason);
  });

  it('turns the self-check off: 404', async () => {
    const other = await startTestSandbox({
      amendConfiguration: (value) => ({ ...value, selfCheck: { enabled: false } }),
    });
    const certificate = tppNamed(other.description, 'money-one');
    const url = `${other.description.mtlsUrl}/tpp/self-check`;
    expect((await other.send(url, { certificate })).status).toBe(404);
    await other.stop();
  }, 30_000);
});

describe('docs/quickstart-tpp.md', () => {
  const hasCurl = spawnSync('curl', ['--version']).error === undefined;
  it.skipIf(!hasCurl)('has a curl line that answers', async () => {
    const [line = ''] = blocksOf(readPage('docs/quickstart-tpp.md'))
      .map(({ code }) => code)
      .filter((code) => code.includes('/tpp/self-check'));
    const script = line
      .replaceAll('.tallystick/', `${sandbox.folder}/`)
      .replace('https://localhost:8444', sandbox.description.mtlsUrl);
    const answer = await promisify(execFile)('sh', ['-c', script]);
    expect(JSON.parse(answer.stdout)).toMatchObject({
      decision: 'accepted',
      scopes: expect.arrayContaining(['accounts']),
    });
  });
});

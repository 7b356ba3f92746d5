import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../../src/configuration/config.ts';
import { type ErrorCode, isRefusal, ruleOf } from '../../../src/errors.ts';
import { logTo } from '../../../src/events.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { replaceFile } from '../../../src/files/created-file.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { Tpp } from '../../durability/tpp.ts';
import { createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

describe('at the pages of the customer, a TPP', () => {
  let bank: TestBank;
  let server: RunningServer;
  let tpp: Tpp;
  let to: { readonly ports: { readonly front: number; readonly mtls: number; readonly health: number } };
  const codes: string[] = [];
  const log = logTo((_name, _definition, { error }) => {
    if (isRefusal(error)) codes.push(error.code);
  });

  /** Changes every record of the registry, and waits until the server has read it. */
  async function register(change: Record<string, unknown>): Promise<void> {
    const { tpps } = parse(await readFile(bank.files.registry, 'utf8'));
    const { loadedAt } = server.registry;
    await replaceFile(
      bank.files.registry,
      JSON.stringify({ tpps: tpps.map((one: object) => ({ ...one, ...change })) }),
    );
    while (server.registry.loadedAt === loadedAt) await sleep(50);
  }

  beforeAll(async () => {
    bank = await createTestBank({ format: 'jwt' });
    const config = { ...bank.config, hostCountry: 'FR', logLevel: 'warn' };
    server = await startServer(parseConfig(config, { source: 'test', folder: '/' }), {
      aspsp: demoAspsp(),
      log,
    });
    tpp = new Tpp(bank);
    const { issuer, mtlsUrl } = bank.description;
    const [front = 0, mtls = 0] = [issuer, mtlsUrl].map((url) => Number(new URL(url).port));
    to = { ports: { front, mtls, health: 0 } };
  });
  afterAll(async () => {
    tpp?.close();
    await server?.close();
    await bank?.remove();
  });

  const authorize = (requestUri: string) =>
    tpp.browse(to, `/authorize?${new URLSearchParams({ client_id: tpp.clientId, request_uri: requestUri })}`);

  /** A browser at the login page, and another that has not been there yet. */
  async function atThePages() {
    const [opened, later] = [await tpp.pushed(to), await tpp.pushed(to)];
    const { headers } = await authorize(opened.requestUri);
    const fields = [headers['set-cookie'] ?? []].flat().map((field) => field.split(';')[0]?.split('=') ?? []);
    const cookies = new Map(fields.map(([name = '', ...value]) => [name, value.join('=')]));
    const page = () => tpp.browse(to, String(headers.location), { cookies });
    expect((await page()).status).toBe(200);
    const back = (path: string) => tpp.browse(to, path, { cookies });
    return { page, back, start: () => authorize(later.requestUri) };
  }

  /** The page refuses by itself; before it, the refusal goes to the TPP with the redirect. */
  async function expectRefused(
    { page, back, start }: Awaited<ReturnType<typeof atThePages>>,
    code: ErrorCode,
  ) {
    codes.length = 0;
    const shown = await page();
    expect([shown.status, codes]).toEqual([400, [code]]);
    expect(shown.text).toContain('The service is not permitted to ask for access at present.');
    expect(shown.text).not.toContain(ruleOf(code));
    const [, link = ''] = /id="back" href="([^"]+)"/.exec(shown.text) ?? [];
    const { headers } = await start();
    expect(codes).toEqual([code, code]);
    for (const answer of [headers, (await back(new URL(link).pathname)).headers]) {
      const { searchParams } = new URL(String(answer.location));
      expect(searchParams.get('error_description')).toContain(code);
    }
  }

  it.each([
    ['that is no longer passported into the country', { passportedCountries: [] }, 'ERR_TPP_NOT_PASSPORTED'],
    ['that is suspended', { status: 'suspended' }, 'ERR_TPP_NOT_AUTHORIZED'],
  ] as const)(
    '%s is refused, on the page and before it (PSD2 articles 14, 28)',
    async (_title, change, code) => {
      await register({ passportedCountries: ['FR'], status: 'active' });
      const pages = await atThePages();
      await register(change);
      await expectRefused(pages, code);
    },
  );

  it('that is blocked is refused, on the page and before it (PSD2 article 68)', async () => {
    await register({ passportedCountries: ['FR'], status: 'active' });
    const pages = await atThePages();
    const record = bank.description.tpps.find(({ name }) => name === 'money-one');
    const authorizationNumber = record?.organizationIdentifier ?? '';
    const block = { authorizationNumber, reason: 'fraud', since: '2026-01-01' };
    await replaceFile(bank.files.blocks, JSON.stringify({ blocked: [block] }));
    const blocked = { authorizationNumber, nca: 'GB-FCA' };
    await expect.poll(() => server.blockList.isBlocked(blocked), { timeout: 5000 }).toBe(true);
    await expectRefused(pages, 'ERR_TPP_BLOCKED');
  });
});

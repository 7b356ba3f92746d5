import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { parse, stringify } from 'yaml';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { reloadFollowedFiles } from '../../../src/files/followed-file.ts';
import type { Role } from '../../../src/management/operators/operator.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import {
  chromiumNote,
  isChromiumMissing,
  launchChromium,
} from '../../authorization-server/customer/chromium.ts';
import { RegisteringTpp } from '../../authorization-server/registration/registering.ts';
import { type ManagedServer, startManaged } from '../managed-server.ts';

/** A folder, which no run commits. */
const { SCREENSHOTS } = process.env;
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 900 };

const auditFolder = mkdtempSync(join(tmpdir(), 'tallystick-console-'));
afterAll(() => rmSync(auditFolder, { recursive: true, force: true }));

describe.skipIf(isChromiumMissing)(`the console in a real browser, without scripts${chromiumNote}`, () => {
  let server: ManagedServer;
  let browser: Browser;
  let open: BrowserContext | undefined;
  beforeAll(async () => {
    let registryFile = '';
    server = await startManaged({
      amend: (own) => {
        registryFile = (own.registry as { readonly file: string }).file;
        return {
          ...own,
          registration: { ...(own.registration as object), approval: 'manual' },
          audit: { folder: join(auditFolder, 'record'), signingKeyFile: join(auditFolder, 'audit-key.json') },
        };
      },
    });
    await importTwice(registryFile);
    browser = await launchChromium();
    await token('money-one');
    await token('money-two');
    // A certificate of one TPP and a client of another.
    await server.sandbox.post('money-two', '/token', formOf('money-one'));
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  const tpp = (name: string) => tppNamed(server.sandbox.description, name);
  const formOf = (name: string) => ({
    grant_type: 'client_credentials',
    client_id: tpp(name).clients.tls_client_auth.client_id,
    scope: 'accounts',
  });
  const token = (name: string) => server.sandbox.post(name, '/token', formOf(name));

  /** A session by a one-time link, as `tallystick console` prints one. */
  async function enter(
    roles: readonly Role[],
    { viewport = DESKTOP, colorScheme = 'light' as 'light' | 'dark' } = {},
  ): Promise<Page> {
    open = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: false });
    const page = await open.newPage();
    const ticket = (await server.tickets()).create('link', { name: 'ana', roles });
    await page.goto(`${server.urls.local}/console/enter?ticket=${ticket}`);
    return page;
  }

  const at = (path: string) => `${server.urls.local}${path}`;
  const bodyOf = (page: Page) => page.locator('main').textContent();
  const pathOf = (name: string) => `/console/tpps/${encodeURIComponent(tpp(name).organizationIdentifier)}`;
  async function confirm(page: Page, name: string, reason: string): Promise<void> {
    await page.getByLabel('Reason').fill(reason);
    const field = page.getByLabel('To confirm');
    if ((await field.count()) > 0) await field.fill(name);
    await page.locator('main form button').click();
  }

  it('shows tokens and refusals of the last hour with their reasons, parts and ends', async () => {
    const page = await enter(['viewer']);
    const text = await bodyOf(page);
    expect(text).toMatch(/2\s+tokens in the last hour/);
    expect(text).toMatch(/1\s+refusals in the last hour/);
    expect(text).toContain('ERR_TPP_CLIENT_MISMATCH');
    expect(text).toMatch(/in order\s+this server/);
    expect(await page.locator('svg.chart title').last().textContent()).toMatch(/tokens, \d+ refusals/);
  });

  it('leads from the list of TPPs to one, its certificate and the decision about it', async () => {
    const page = await enter(['support']);
    await page.getByRole('link', { name: 'TPPs' }).click();
    await page.getByLabel('Number or name').fill(tpp('money-one').organizationIdentifier);
    await page.getByRole('button', { name: 'Find' }).click();
    await page.locator('tbody a').first().click();
    expect(await bodyOf(page)).toContain(tpp('money-one').organizationIdentifier);
    expect(await page.locator('.chips .chip').allTextContents()).toEqual(
      expect.arrayContaining(['active', 'AI', 'PI', expect.stringMatching(/days$/)]),
    );
    await page.locator('section', { hasText: 'Certificates' }).locator('a').first().click();
    expect(await bodyOf(page)).toMatch(/accepted[\s\S]*The decision now, rule by rule[\s\S]*passed/);
  });

  it('shows what the last import of a register changed, and which copy was refused', async () => {
    const page = await enter(['viewer']);
    await page.getByRole('link', { name: 'Registers' }).click();
    const changes = page.getByRole('region', { name: 'Changes of own list' });
    expect(await changes.textContent()).toMatch(/New Ltd\s*PSDGB-FCA-700001\s*added/);
    expect(await changes.textContent()).toMatch(/changed\s*withdrawn → active/);
    expect(await bodyOf(page)).toMatch(/1 added, 0 removed, 1 changed: copy of/);
    const refused = page.getByRole('region', { name: 'Refused copies' });
    expect(await refused.textContent()).toMatch(/own list\s*ERR_REGISTRY_INVALID[\s\S]*tpps/);
  });

  it('blocks a TPP by its number and a reason, at once, and lifts the block', async () => {
    const page = await enter(['operator']);
    await page.goto(at(pathOf('money-two')));
    await page.getByRole('link', { name: 'Block this TPP' }).click();
    await confirm(page, 'another number', 'reported by the authority');
    expect(await page.getByRole('alert').textContent()).toContain('not the one');
    expect((await token('money-two')).status).toBe(200);
    await confirm(page, tpp('money-two').organizationIdentifier, 'reported by the authority');
    expect(await bodyOf(page)).toMatch(/blocked[\s\S]*ana: reported by the authority/);
    await expect.poll(async () => (await token('money-two')).text).toContain('ERR_TPP_BLOCKED');
    const [event] = await server.sandbox.events({ event: 'management.changed', outcome: 'createBlock' });
    expect(event).toMatchObject({ operator: 'ana', reason: 'reported by the authority' });
    await page.reload();
    const refusals = page.getByRole('region', { name: 'Last refusals' });
    expect(await refusals.textContent()).toContain('ERR_TPP_BLOCKED');
    await page.getByRole('link', { name: 'Lift the block' }).click();
    const shown = (await page.locator('main strong').first().textContent()) ?? '';
    await confirm(page, shown, 'the report was wrong');
    expect(await bodyOf(page)).toContain('Nothing is blocked');
    await expect.poll(async () => (await token('money-two')).status).toBe(200);
  });

  it('disables and deletes a client by its name and a reason', async () => {
    const { organizationIdentifier } = tpp('money-one');
    const call = await server.local(['operator']);
    const source = await call(`/v1/clients/${tpp('money-one').clients.tls_client_auth.client_id}`);
    const client = {
      ...source.json.client,
      client_id: 'of-the-console',
      client_name: 'Of the <b>console</b>',
    };
    const made = await call('/v1/clients', {
      method: 'POST',
      body: { client, reason: 'for the test' },
      headers: { 'idempotency-key': 'one' },
    });
    expect([made.status, made.text.slice(0, 300)]).toEqual([201, expect.any(String)]);
    const page = await enter(['operator']);
    await page.goto(at('/console/clients'));
    await page.getByRole('link', { name: 'Of the <b>console</b>' }).click();
    expect(await bodyOf(page)).toContain(organizationIdentifier);
    await page.getByRole('link', { name: 'Disable' }).click();
    await confirm(page, 'Of the <b>console</b>', 'asked by the TPP');
    expect(await page.locator('.chips').textContent()).toContain('disabled');
    await page.getByRole('link', { name: 'Delete' }).click();
    await confirm(page, 'Of the <b>console</b>', 'asked by the TPP');
    expect(page.url()).toBe(at('/console/clients'));
    expect((await call('/v1/clients/of-the-console')).status).toBe(404);
  });

  it('approves a client that waits, by a reason, so that its TPP gets a token', async () => {
    const registering = new RegisteringTpp(server.sandbox);
    const { status, json } = await registering.register();
    expect([status, json.registration_status]).toEqual([201, 'awaiting-approval']);
    expect((await registering.token(json.client_id)).status).toBe(400);
    const page = await enter(['operator']);
    await page.goto(at(`/console/clients/${String(json.client_id)}`));
    expect(await page.locator('.chips').textContent()).toMatch(/awaiting/);
    await page.getByRole('link', { name: 'Approve' }).click();
    await confirm(page, '', 'checked with the register');
    expect(await page.locator('.chips').textContent()).toMatch(/active/);
    await expect.poll(async () => (await registering.token(json.client_id)).status).toBe(200);
    const [event] = await server.sandbox.events({ event: 'management.changed', outcome: 'approveClient' });
    expect(event).toMatchObject({ operator: 'ana', reason: 'checked with the register' });
  });

  it('finds in the audit record who changed what', async () => {
    const page = await enter(['viewer']);
    await page.getByRole('link', { name: 'Audit' }).click();
    await page.getByLabel('Event').fill('management.changed');
    await page.getByRole('button', { name: 'Search' }).click();
    expect(await bodyOf(page)).toMatch(/management\.changed[\s\S]*asked by the TPP/);
    await page.getByLabel('From').fill('2020-01-01');
    await page.getByLabel('To').fill('2020-01-02');
    await page.getByRole('button', { name: 'Search' }).click();
    expect(await bodyOf(page)).toContain('No line found');
  });

  it('offers no change to a viewer, and refuses the page of one', async () => {
    const page = await enter(['viewer']);
    await page.goto(at(pathOf('money-one')));
    expect(await bodyOf(page)).not.toContain('Block this TPP');
    await page.goto(at('/console/do/rotate-keys'));
    await confirm(page, '', 'curious');
    expect(await page.content()).toContain('ERR_MANAGEMENT_ROLE');
  });

  it('takes no change of what has changed since, and none twice', async () => {
    const page = await enter(['security']);
    await page.goto(at('/console/do/rotate-keys'));
    const other = await page.context().newPage();
    await other.goto(at('/console/do/rotate-keys'));
    await confirm(page, '', 'first of two');
    expect(await bodyOf(page)).toMatch(/next|signing/);
    await confirm(other, '', 'second of two');
    expect(await other.content()).toContain('ERR_MANAGEMENT_VERSION');
  });

  it('leaves, and shows nothing afterwards', async () => {
    const page = await enter(['viewer']);
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.goto(at('/console/tpps'));
    expect(await page.content()).toContain('ERR_MANAGEMENT_UNKNOWN');
  });

  it('is used by the keyboard alone', async () => {
    const page = await enter(['viewer']);
    await page.keyboard.press('Tab');
    expect(await page.locator(':focus').textContent()).toBe('Skip to content');
    for (const name of ['Overview', 'TPPs']) {
      await page.keyboard.press('Tab');
      expect(await page.locator(':focus').textContent()).toBe(name);
    }
    await page.keyboard.press('Enter');
    await page.waitForURL(/tpps/);
    expect(await page.locator('[aria-current]').textContent()).toBe('TPPs');
  });

  it.each([
    ['phone', PHONE, 'light'],
    ['phone', PHONE, 'dark'],
    ['desktop', DESKTOP, 'light'],
    ['desktop', DESKTOP, 'dark'],
  ] as const)(
    'meets WCAG 2.2 AA on every page, and fits a %s: %j, %s',
    async (name, viewport, colorScheme) => {
      const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
      open = await browser.newContext({ viewport, colorScheme });
      const page = await open.newPage();
      const roles = ['support', 'operator', 'security'] as const;
      const ticket = (await server.tickets()).create('link', { name: 'ana', roles });
      await page.goto(`${server.urls.local}/console/enter?ticket=${ticket}`);
      const certificates = await (await server.local(['support']))('/v1/certificates');
      const { thumbprint } = certificates.json.certificates[0];
      const clientId = tpp('money-one').clients.tls_client_auth.client_id;
      const block = pathOf('money-one').replace('/tpps/', '/block/tpp/');
      const pages = {
        overview: '/console',
        tpps: '/console/tpps',
        tpp: pathOf('money-one'),
        certificate: `/console/certificates/${thumbprint}`,
        clients: '/console/clients',
        client: `/console/clients/${clientId}`,
        consents: '/console/consents',
        blocks: '/console/blocks',
        block,
        registers: '/console/registers',
        keys: '/console/keys',
        confirm: '/console/do/rotate-keys',
        audit: '/console/audit',
      };
      for (const [title, path] of Object.entries(pages)) {
        const answer = await page.goto(at(path));
        expect([path, answer?.status()]).toEqual([path, 200]);
        const width = await page.evaluate('document.documentElement.scrollWidth');
        expect([path, width]).toEqual([path, viewport.width]);
        await page.evaluate(axe);
        const found = (await page.evaluate(
          "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })",
        )) as {
          readonly violations: readonly {
            readonly id: string;
            readonly nodes: readonly { readonly html: string }[];
          }[];
        };
        const problems = found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
        expect([path, problems]).toEqual([path, []]);
        if (SCREENSHOTS !== undefined) {
          await mkdir(SCREENSHOTS, { recursive: true });
          await page.screenshot({
            path: `${SCREENSHOTS}/${title}-${name}-${colorScheme}.png`,
            fullPage: true,
          });
        }
      }
    },
    // Thirteen pages, each with axe.
    120_000,
  );
});

/** A copy of the bank's own list with a new TPP and another status, and a bad one. */
async function importTwice(registryFile: string): Promise<void> {
  const { tpps } = parse(readFileSync(registryFile, 'utf8')) as { readonly tpps: Record<string, unknown>[] };
  const changed = tpps.map((one) => (one.status === 'withdrawn' ? { ...one, status: 'active' } : one));
  const added = { ...tpps[0], authorizationNumber: 'PSDGB-FCA-700001', legalName: 'New Ltd' };
  writeFileSync(registryFile, stringify({ tpps: [...changed, added] }, { aliasDuplicateObjects: false }));
  await reloadFollowedFiles();
  writeFileSync(registryFile, 'tpps: none');
  await reloadFollowedFiles();
}

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PageTemplates } from '../../../../src/authorization-server/customer/pages/page-templates.ts';
import { isRefusal } from '../../../../src/errors.ts';
import { Customer, PagesBench } from '../pages-bench.ts';

/** The templates that throw now, for templates that run in this process. */
const failing = new Set<string>();
const NAMES = ['login', 'consent', 'onward', 'parts/footer'];
const right = { username: 'ann', password: 'right' };
const FAILED = { event: 'page.template.failed', code: 'ERR_PAGE_TEMPLATE' };

function refusalOf(own: Readonly<Record<string, string>>, shown = 'error'): unknown {
  try {
    new PageTemplates(new Map(Object.entries(own))).render(shown, { t: () => '', locale: 'en' });
  } catch (error) {
    return isRefusal(error, 'ERR_PAGE_TEMPLATE') ? { ...error.details, cause: String(error.cause) } : error;
  }
  return undefined;
}

describe('a template of the bank that throws', () => {
  it('is named with its file and line', () => {
    expect(refusalOf({ error: 'a\n<p>\n<%= it.service.name %>' })).toEqual({
      template: 'error.eta',
      line: 3,
      cause: "TypeError: Cannot read properties of undefined (reading 'name')",
    });
    expect(refusalOf({ error: '\n<% throw undefined %>' })).toMatchObject({ template: 'error.eta', line: 2 });
    expect(refusalOf({ error: "<%~ include('parts/nothing') %>" })).toMatchObject({ line: 1 });
  });

  it('is the innermost of those that include one another, through a template of ours too', () => {
    const footer = '<footer>\n<%= it.none.such %></footer>';
    const place = { template: 'parts/footer.eta', line: 2 };
    expect(refusalOf({ 'parts/footer': footer })).toMatchObject(place);
    expect(refusalOf({ 'parts/footer': footer, error: "\n\n<% layout('layout') %>" })).toMatchObject(place);
  });

  it('has no line where a block and its else are in two tags', () => {
    const text = '<% if (it.none) { %>\na\n<% } %>\n<% else { %>\n<%= it.none.such %>\n<% } %>';
    expect(refusalOf({ error: text })).toEqual({
      template: 'error.eta',
      cause: expect.stringContaining('such'),
    });
  });

  it('with wrong syntax is named at the start', () => {
    const own = new Map([['login', 'a\n<% if ( { %>']]);
    expect(() => new PageTemplates(own)).toThrow(/^login\.eta: Bad template syntax: Unexpected token/);
    expect(() => new PageTemplates(new Map([['login', 'a\n<%= "a %>']]))).toThrow(
      /^login\.eta: unclosed string at line 2/,
    );
  });
});

describe('a page whose template throws', () => {
  let folder: string;
  let bench: PagesBench;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'failing-templates-'));
    await mkdir(join(folder, 'parts'));
    Object.assign(globalThis, { failingTemplates: failing });
    for (const name of NAMES) {
      const built = join(
        import.meta.dirname,
        '../../../../src/authorization-server/customer/pages/templates',
      );
      const text = await readFile(join(built, `${name}.eta`), 'utf8');
      const line = `<% if (globalThis.failingTemplates.has('${name}')) throw new Error('no ${name}') %>\n`;
      await writeFile(join(folder, `${name}.eta`), line + text);
    }
    bench = await PagesBench.open({}, { pages: { folder } });
  }, 120_000);
  afterEach(() => {
    failing.clear();
    bench.logged = [];
  });
  afterAll(async () => {
    Reflect.deleteProperty(globalThis, 'failingTemplates');
    await bench.close();
    await rm(folder, { recursive: true });
  });
  const failures = () => bench.logged.filter(({ code }) => code !== undefined);

  it.each(['consent', 'parts/footer'])(
    'is a refusal with one event and the ways on, and shares nothing: %s',
    async (name) => {
      const customer = await Customer.opens(bench);
      await customer.send(right);
      expect(failures()).toEqual([]);
      failing.add(name);
      await customer.reload();
      expect(customer.page.status).toBe(500);
      expect(customer.page.text).toMatch(/Nothing has been shared with <strong>[^<]+<\/strong>/);
      expect(customer.page.text).toContain('id="again"');
      expect(failures()).toEqual([FAILED]);
      // The bank has mended its template.
      failing.clear();
      await customer.reload();
      expect(customer.page.text).toContain('Allow access?');
      expect(await customer.allow()).toHaveProperty('access_token');
    },
  );

  it('lets the customer go back to the TPP', async () => {
    failing.add('login');
    const customer = await Customer.opens(bench);
    expect(customer.page.status).toBe(500);
    expect(failures()).toEqual([FAILED]);
    await customer.send({}, 'leave');
    expect(customer.atTpp.error).toBe('temporarily_unavailable');
  });

  it('is the built-in page after the decision: the TPP gets its code', async () => {
    failing.add('onward');
    const customer = await Customer.opens(bench);
    await customer.send(right);
    expect(await customer.allow()).toHaveProperty('access_token');
    // After the login, and after the decision.
    expect(failures()).toEqual([FAILED, FAILED]);
  });

  it('keeps the refusal that it was to show, and is one more event', async () => {
    failing.add('parts/footer');
    const customer = await Customer.opens(bench);
    bench.logged = [];
    await customer.reload('/interaction/unknown');
    expect(customer.page.status).toBe(400);
    expect(customer.page.text).toContain('the link or form belongs to no page');
    expect(failures()).toEqual([FAILED, { event: 'request.refused', code: 'ERR_PSU_INPUT' }]);
  });
});

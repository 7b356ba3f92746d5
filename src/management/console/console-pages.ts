import { randomUUID } from 'node:crypto';
import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Management } from '../management.ts';
import type { managementOperations } from '../operations/operations.ts';
import { ACTIONS, type Action } from './actions.ts';
import { activityChart } from './activity-chart.ts';
import { ConsoleTemplates, STYLESHEET } from './console-templates.ts';
import { callerOf, showPage } from './page.ts';

export interface ConsolePagesOptions {
  readonly management: Management<ReturnType<typeof managementOperations>>;
}

type Fields = Readonly<Record<string, unknown>>;

const PAGE = 50;
/** Longer than a stylesheet of the next version may wait. */
const KEPT = 'private, max-age=300';

/**
 * The pages of the console: plain HTML, without a script. They call the operations of the management API, so that a role may on
 * a page what it may there, and a change on a page has a reason, a version and its event.
 */
export class ConsolePages {
  readonly middleware: Middleware;
  readonly #management: ConsolePagesOptions['management'];
  readonly #templates = new ConsoleTemplates();

  constructor({ management }: ConsolePagesOptions) {
    this.#management = management;
    const router = new Router({ prefix: '/console' });
    router.get('/', (ctx) => this.#overview(ctx));
    router.get('/assets/console.css', (ctx) => {
      ctx.set('cache-control', KEPT);
      ctx.type = 'css';
      ctx.body = STYLESHEET;
    });
    router.get('/tpps', (ctx) => this.#tpps(ctx));
    router.get('/tpps/:number', (ctx) => this.#tpp(ctx, ctx.params.number ?? ''));
    router.get('/certificates/:thumbprint', (ctx) => this.#certificate(ctx, ctx.params.thumbprint ?? ''));
    router.get('/clients', (ctx) => this.#clients(ctx));
    router.get('/clients/:id', (ctx) => this.#client(ctx, ctx.params.id ?? ''));
    router.get('/consents', (ctx) => this.#show(ctx, 'consents', 'Consents', { asked: {} }));
    router.post('/consents', (ctx) => this.#consents(ctx));
    router.get('/consents/:id', (ctx) => this.#consent(ctx, ctx.params.id ?? ''));
    router.get('/blocks', (ctx) => this.#blocks(ctx));
    router.get('/block/tpp/:number', (ctx) => this.#blockForm(ctx, ctx.params.number ?? ''));
    router.post('/block/tpp/:number', (ctx) => this.#block(ctx, ctx.params.number ?? ''));
    router.get('/registers', (ctx) => this.#registers(ctx));
    router.get('/keys', (ctx) => this.#keys(ctx));
    router.get('/audit', (ctx) => this.#audit(ctx));
    router.get('/do/:action', (ctx) => this.#confirm(ctx, actionOf(ctx)));
    router.get('/do/:action/:id', (ctx) => this.#confirm(ctx, actionOf(ctx)));
    router.post('/do/:action', (ctx) => this.#carryOut(ctx, actionOf(ctx)));
    router.post('/do/:action/:id', (ctx) => this.#carryOut(ctx, actionOf(ctx)));
    const routes = router.routes();
    this.middleware = async (ctx) => {
      await routes(ctx as Parameters<typeof routes>[0], async () => {
        throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 100) });
      });
    };
  }

  #show(ctx: Context, template: string, title: string, view: Fields): void {
    showPage(ctx, this.#templates, { template, title, ...view });
  }

  async #overview(ctx: Context): Promise<void> {
    const { value } = await this.#management.call('readOverview', callerOf(ctx));
    this.#show(ctx, 'overview', 'Overview', { ...value, chart: activityChart(value.minutes) });
  }

  async #tpps(ctx: Context): Promise<void> {
    const query = textIn(ctx.query, 'query');
    const { value } = await this.#management.call('listTpps', {
      ...callerOf(ctx),
      query: { limit: PAGE, ...query, ...textIn(ctx.query, 'after') },
    });
    this.#show(ctx, 'tpps', 'TPPs', { ...value, query: query.query ?? '' });
  }

  async #tpp(ctx: Context, number: string): Promise<void> {
    const caller = callerOf(ctx);
    const [{ value }, { value: found }, consents] = await Promise.all([
      this.#management.call('readTpp', { ...caller, params: { number } }),
      this.#management.call('listRefusals', { ...caller, query: { tpp: number } }),
      this.#management.call('searchConsents', { ...caller, body: { tpp: number, limit: 20 } }),
    ]);
    const view = { tpp: value, refusals: found.refusals, consents: consents.value.consents };
    this.#show(ctx, 'tpp', value.legalName, view);
  }

  async #certificate(ctx: Context, thumbprint: string): Promise<void> {
    const { value } = await this.#management.call('readCertificate', {
      ...callerOf(ctx),
      params: { thumbprint },
    });
    this.#show(ctx, 'certificate', `Certificate of ${value.legalName}`, { certificate: value });
  }

  async #clients(ctx: Context): Promise<void> {
    const chosen = { ...textIn(ctx.query, 'status'), ...textIn(ctx.query, 'tpp') };
    const { value } = await this.#management.call('listClients', {
      ...callerOf(ctx),
      query: { limit: PAGE, ...textIn(ctx.query, 'after'), ...(chosen as object) },
    });
    this.#show(ctx, 'clients', 'Clients', { ...value, chosen });
  }

  async #client(ctx: Context, clientId: string): Promise<void> {
    const caller = callerOf(ctx);
    const [{ value }, consents] = await Promise.all([
      this.#management.call('readClient', { ...caller, params: { clientId } }),
      this.#management.call('searchConsents', { ...caller, body: { client: clientId, limit: 20 } }),
    ]);
    this.#show(ctx, 'client', value.name, { client: value, consents: consents.value.consents });
  }

  async #consents(ctx: Context): Promise<void> {
    const form = (ctx.request.body ?? {}) as Fields;
    const by = String(form.by);
    const asked = { by, text: String(form.text ?? '').trim(), after: form.after };
    if (by === 'consent') {
      ctx.redirect(`/console/consents/${encodeURIComponent(asked.text)}`);
      return;
    }
    const { value } = await this.#management.call('searchConsents', {
      ...callerOf(ctx),
      body: {
        limit: PAGE,
        ...(by === 'customer' || by === 'client' ? { [by]: asked.text } : { tpp: asked.text }),
        ...textIn(form, 'after'),
      },
    });
    this.#show(ctx, 'consents', 'Consents', { asked, ...value });
  }

  async #consent(ctx: Context, consentId: string): Promise<void> {
    const { value } = await this.#management.call('readConsent', { ...callerOf(ctx), params: { consentId } });
    this.#show(ctx, 'consent', 'Consent', {
      consent: value,
      json: JSON.stringify(value.details, undefined, 2),
    });
  }

  async #blocks(ctx: Context): Promise<void> {
    const { value } = await this.#management.call('listBlocks', callerOf(ctx));
    this.#show(ctx, 'blocks', 'Blocks', value);
  }

  async #blockForm(ctx: Context, number: string, problem?: string): Promise<void> {
    const { value } = await this.#management.call('readTpp', { ...callerOf(ctx), params: { number } });
    this.#show(ctx, 'block', 'Block a TPP', { tpp: value, problem, key: randomUUID() });
  }

  async #block(ctx: Context, number: string): Promise<void> {
    const form = (ctx.request.body ?? {}) as Fields;
    if (!isConfirmed(form, number)) {
      await this.#blockForm(ctx, number, 'The number is not the one of this TPP.');
      return;
    }
    await this.#management.call('createBlock', {
      ...callerOf(ctx),
      idempotencyKey: String(form.key),
      body: { blocked: { kind: 'tpp', authorizationNumber: number }, reason: String(form.reason) },
    });
    seeOther(ctx, `/console/tpps/${encodeURIComponent(number)}`);
  }

  async #registers(ctx: Context): Promise<void> {
    const { value } = await this.#management.call('readRegisters', callerOf(ctx));
    this.#show(ctx, 'registers', 'Registers and lists', value);
  }

  async #keys(ctx: Context): Promise<void> {
    const { value } = await this.#management.call('listKeys', callerOf(ctx));
    this.#show(ctx, 'keys', 'Keys', value);
  }

  async #audit(ctx: Context): Promise<void> {
    const asked = Object.assign(
      {},
      ...['tpp', 'client', 'event', 'from', 'to', 'after'].map((name) => textIn(ctx.query, name)),
    ) as Readonly<Record<string, string>>;
    const { from, to, ...others } = asked;
    const query = {
      limit: PAGE,
      ...others,
      ...(from === undefined ? {} : { from: `${from}T00:00:00Z` }),
      ...(to === undefined ? {} : { to: `${to}T23:59:59.999Z` }),
    };
    const { value } = await this.#management
      .call('searchAudit', { ...callerOf(ctx), query })
      .catch((error: unknown) => {
        if (isRefusal(error, 'ERR_MANAGEMENT_NOT_FOUND')) return { value: { next: undefined } };
        throw error;
      });
    const more = new URLSearchParams({ ...asked, after: value.next ?? '' }).toString();
    this.#show(ctx, 'audit', 'Audit', { ...value, asked, more });
  }

  async #confirm(ctx: Context, action: Action, problem?: string): Promise<void> {
    const id = ctx.params.id ?? '';
    const { value, version } = await this.#read(ctx, action, id);
    const view = { action, id, name: nameOf(value, id), version, problem, key: randomUUID() };
    this.#show(ctx, 'confirm', action.title, view);
  }

  async #carryOut(ctx: Context, action: Action): Promise<void> {
    const id = ctx.params.id ?? '';
    const form = (ctx.request.body ?? {}) as Fields;
    if (action.isDestructive && !isConfirmed(form, String(form.name))) {
      await this.#confirm(ctx, action, 'The name is not the one that is shown.');
      return;
    }
    await this.#management.run(this.#management.operations[action.operation], {
      ...callerOf(ctx),
      params: paramsOf(action, id),
      body: { reason: String(form.reason) },
      idempotencyKey: String(form.key),
      ifMatch: String(form.version),
    });
    seeOther(ctx, action.back(id));
  }

  #read(ctx: Context, action: Action, id: string) {
    const operation = this.#management.operations[action.read];
    return this.#management.run(operation, { ...callerOf(ctx), params: paramsOf(action, id) });
  }
}

/** @throws ERR_HTTP_NOT_FOUND */
function actionOf(ctx: Context): Action {
  const name = String(ctx.params.action);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined)
    throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 100) });
  return action;
}

function paramsOf({ param }: Action, id: string): Fields {
  return param === undefined ? {} : { [param]: id };
}

/** The name by which an operator confirms a change: that of a client or a TPP, else the identifier. */
function nameOf(value: unknown, id: string): string {
  const { name, service } = value as { readonly name?: string; readonly service?: string };
  return name ?? service ?? id;
}

/** Whether the operator has typed the name. */
function isConfirmed({ confirm }: Fields, name: string): boolean {
  return typeof confirm === 'string' && confirm.trim() === name;
}

/** The member of a query or a form that is one text with content. */
function textIn<Name extends string>(values: Fields, name: Name): { readonly [Member in Name]?: string } {
  const value = values[name];
  return typeof value === 'string' && value.trim() !== ''
    ? ({ [name]: value.trim() } as { readonly [Member in Name]?: string })
    : {};
}

/** After a form, so that a reload does not send it again. */
function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.redirect(url);
}

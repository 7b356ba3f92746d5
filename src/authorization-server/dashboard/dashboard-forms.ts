import { timingSafeEqual } from 'node:crypto';
import { bodyParser } from '@koa/bodyparser';
import type { Context } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import { identifierHash } from '../../storage/record-protection.ts';

const PURPOSE = 'dashboard form';

const readBody = bodyParser({
  enableTypes: ['form'],
  formLimit: '16kb',
  onError: (cause) => {
    throw new OpenBankingError('ERR_DASHBOARD_FORM', { problem: 'the form cannot be read' }, { cause });
  },
});

/** The forms of the dashboard: each is of one session or login, and is sent from our origin. */
export class DashboardForms {
  readonly #hash: (kind: string, id: string) => string;
  readonly #origin: string;

  constructor({ secret, origin }: { readonly secret: Buffer; readonly origin: string }) {
    this.#hash = identifierHash(secret);
    this.#origin = origin;
  }

  /** The token that a page puts into its form. */
  tokenOf(id: string): string {
    return this.#hash(PURPOSE, id);
  }

  /** The form of the request. @throws ERR_DASHBOARD_FORM for a form of another session or another site */
  async read(ctx: Context, id: string): Promise<URLSearchParams> {
    const origin = ctx.get('origin');
    if (origin !== '' && origin !== this.#origin) throw refused('it comes from another site');
    await readBody(ctx, async () => {});
    const form = new URLSearchParams(typeof ctx.request.rawBody === 'string' ? ctx.request.rawBody : '');
    const expected = Buffer.from(this.tokenOf(id));
    const given = Buffer.from(form.get('csrf') ?? '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) return form;
    throw refused('its token is of another session');
  }
}

function refused(problem: string): OpenBankingError<'ERR_DASHBOARD_FORM'> {
  return new OpenBankingError('ERR_DASHBOARD_FORM', { problem });
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import { bodyParser } from '@koa/bodyparser';
import type { Context } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import type { OpenInteraction } from './open-interaction.ts';

/**
 * Reads the form of a page into `ctx.request.rawBody`. Only the browser of an interaction may send so much: the form of
 * a customer who allows a thousand accounts. @throws ERR_PSU_INPUT
 */
export const readForm = bodyParser({
  enableTypes: ['form'],
  formLimit: '160kb',
  onError: (cause) => {
    throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the form cannot be read' }, { cause });
  },
});

/** Proves that a form comes from a page of ours: made for this prompt of this interaction, sent from our origin. */
export class OwnForms {
  readonly #secret: Buffer;
  readonly #origin: string;

  constructor({ secret, origin }: { readonly secret: Buffer; readonly origin: string }) {
    this.#secret = secret;
    this.#origin = origin;
  }

  /** The token that a page puts into its form. */
  tokenOf({ interaction: { uid, prompt } }: OpenInteraction): string {
    return createHmac('sha256', this.#secret).update(`csrf\0${prompt.name}\0${uid}`).digest('base64url');
  }

  /** The form of the request. @throws ERR_PSU_INPUT for a form of another page or another site */
  read(ctx: Context, open: OpenInteraction): URLSearchParams {
    const raw = ctx.request.rawBody;
    if (typeof raw !== 'string') {
      throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the body is not a form' });
    }
    const form = new URLSearchParams(raw);
    const origin = ctx.get('origin');
    const expected = Buffer.from(this.tokenOf(open));
    const given = Buffer.from(form.get('csrf') ?? '');
    const isOwn =
      (origin === '' || origin === this.#origin) &&
      given.length === expected.length &&
      timingSafeEqual(given, expected);
    if (!isOwn) throw new OpenBankingError('ERR_PSU_INPUT', { problem: 'the form is not of this page' });
    return form;
  }
}

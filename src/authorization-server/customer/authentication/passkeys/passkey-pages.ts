import type { Context } from 'koa';
import { psuField } from '../../../../consent/psu-name.ts';
import type { Log } from '../../../../events.ts';
import type { Pages } from '../../pages/pages.ts';
import type { Enrolment } from './enrolment.ts';
import { MAX_PASSKEYS, type Passkeys } from './passkeys.ts';

interface PasskeyPagesOptions {
  readonly passkeys: Pick<Passkeys, 'listOf' | 'remove'>;
  readonly enrolment: Pick<Enrolment, 'offer' | 'add'>;
  readonly pages: Pages;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

/** A customer with a session of strong customer authentication, and the token of the session's forms. */
export interface PasskeyOwner {
  readonly psuId: string;
  readonly csrf: string;
}

/** The page at `/passkeys`, where a customer adds and removes passkeys. Session and forms are proved before. */
export class PasskeyPages {
  readonly #options: PasskeyPagesOptions;

  constructor(options: PasskeyPagesOptions) {
    this.#options = options;
  }

  async list(ctx: Context, owner: PasskeyOwner): Promise<void> {
    await this.#show(ctx, owner);
  }

  async add(ctx: Context, owner: PasskeyOwner, form: URLSearchParams): Promise<void> {
    const isAdded = await this.#options.enrolment.add(owner.psuId, form);
    if (isAdded) this.#note(ctx, owner, 'added');
    else ctx.status = 422;
    await this.#show(ctx, owner, isAdded ? 'added' : 'failed');
  }

  async remove(ctx: Context, owner: PasskeyOwner, form: URLSearchParams): Promise<void> {
    const isRemoved = await this.#options.passkeys.remove(owner.psuId, form.get('passkey') ?? '');
    if (isRemoved) this.#note(ctx, owner, 'removed');
    await this.#show(ctx, owner, 'removed');
  }

  async #show(
    ctx: Context,
    { psuId, csrf }: PasskeyOwner,
    done?: 'added' | 'removed' | 'failed',
  ): Promise<void> {
    const { passkeys, enrolment, pages } = this.#options;
    const all = await passkeys.listOf(psuId);
    const offer = all.length < MAX_PASSKEYS ? await enrolment.offer(psuId) : undefined;
    pages.passkeys(ctx, { csrf, passkeys: all, offer, done });
  }

  #note(ctx: Context, { psuId }: PasskeyOwner, outcome: 'added' | 'removed'): void {
    const { log, secret } = this.#options;
    const requestId = String(ctx.state.requestId);
    log.emit('psu.passkey.changed', { requestId, ...psuField(secret, psuId), outcome });
  }
}

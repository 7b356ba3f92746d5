import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { Clock } from '../../clock.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Log } from '../../events.ts';
import { identifierHash, PayloadEncryption } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';
import type { EndReason, Login, Occasion, Progress } from '../customer/authentication/occasion.ts';
import { DASHBOARD_PATH } from '../request/routes.ts';
import { cookieOf, setCookie } from './dashboard-cookies.ts';
import type { DashboardForms } from './dashboard-forms.ts';

export interface DashboardLoginsOptions {
  readonly store: Pick<Store, 'find' | 'put' | 'delete'>;
  readonly clock: Clock;
  /** Keys the hashes of identifiers and the encryption of logins; 32 bytes. */
  readonly secret: Buffer;
  readonly forms: Pick<DashboardForms, 'tokenOf'>;
  readonly issuer: string;
  readonly log: Log;
}

/** The ends of a login. */
export interface LoginEnds {
  /** The customer has proved his identity. */
  readonly finish: (ctx: Context, login: Login) => Promise<void>;
  /** The customer cannot log in. */
  readonly stop: (ctx: Context, reason: EndReason) => void;
}

/** A login under way. */
interface LoginRecord {
  /** Attempts are counted for it. */
  readonly occasionId: string;
  readonly progress: Progress;
}

const KIND = 'DashboardLogin';
const ID_BYTES = 32;
const ID = /^[\w-]{43}$/;
/** RTS on strong customer authentication article 4(3)(d): a step ends after five minutes. */
const STEP_SECONDS = 5 * 60;
/** Every login to the dashboard is for the same: there is nothing that could change. */
const LINK_HASH = 'dashboard';
const END_EVENTS = {
  attempts: 'psu.login.stopped',
  changed: 'psu.login.stopped',
  rejected: 'psu.login.refused',
  'no-factor': 'psu.login.stopped',
} as const satisfies Record<EndReason, string>;

/**
 * Logins of customers for themselves: no TPP asks. A login is known by a cookie; the store has a record from the first step
 * that the customer has answered. The cookie is another one once the customer has proved an element (K9).
 */
export class DashboardLogins {
  readonly #options: DashboardLoginsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: DashboardLoginsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** The login of a browser. */
  idOf(ctx: Context): string | undefined {
    const id = cookieOf(ctx, 'login');
    return id !== undefined && ID.test(id) ? id : undefined;
  }

  /** A new login for a browser. */
  begin(ctx: Context): string {
    const id = randomBytes(ID_BYTES).toString('base64url');
    setCookie(ctx, 'login', id);
    return id;
  }

  /** The login as an occasion to authenticate. @throws ERR_STORAGE_UNAVAILABLE */
  async occasionOf(ctx: Context, loginId: string, ends: LoginEnds): Promise<Occasion> {
    const { forms, log, issuer, secret } = this.#options;
    const found = await this.#find(loginId);
    const occasionId = found?.occasionId ?? this.#hash(KIND, loginId);
    const events = { requestId: String(ctx.state.requestId) };
    let id = loginId;
    let progress = found?.progress;
    return {
      id: occasionId,
      get csrf() {
        return forms.tokenOf(id);
      },
      requirements: { acrValues: [], isAcrEssential: false },
      context: {
        scopes: [],
        details: [],
        payments: [],
        linkHash: LINK_HASH,
        acrValues: [],
        isAcrEssential: false,
        uiLocales: [],
        returnUrl: new URL(`${DASHBOARD_PATH}/login`, issuer).href,
      },
      isPayment: false,
      events,
      get progress() {
        return progress;
      },
      keep: async (next) => {
        const isProved = progress?.proved === undefined && next.proved !== undefined;
        const former = id;
        if (isProved) id = this.begin(ctx);
        progress = next;
        await this.#put(id, { occasionId, progress: next });
        if (isProved) await this.#delete(former);
      },
      finish: async (koa, login) => {
        await this.#end(koa, id);
        await ends.finish(koa, login);
      },
      end: async (koa, reason) => {
        log.emit(END_EVENTS[reason], { ...events, ...psuField(secret, progress?.proved?.psuId) });
        await this.#end(koa, id);
        ends.stop(koa, reason);
      },
      refuse: async (koa) => {
        await this.#end(koa, id);
        ends.stop(koa, 'no-factor');
      },
    };
  }

  async #end(ctx: Context, id: string): Promise<void> {
    await this.#delete(id);
    setCookie(ctx, 'login', undefined);
  }

  async #find(id: string): Promise<LoginRecord | undefined> {
    const key = this.#hash(KIND, id);
    const record = await this.#options.store.find(KIND, key);
    if (record === undefined) return undefined;
    return this.#encryption.decrypt(record.value, boundTo(key)) as LoginRecord;
  }

  #put(id: string, login: LoginRecord): Promise<void> {
    const { store, clock } = this.#options;
    const key = this.#hash(KIND, id);
    return store.put(KIND, key, {
      value: this.#encryption.encrypt(login, boundTo(key)),
      expiresAt: new Date(clock.now().getTime() + STEP_SECONDS * 1000),
    });
  }

  #delete(id: string): Promise<void> {
    return this.#options.store.delete(KIND, this.#hash(KIND, id));
  }
}

function boundTo(key: string): string {
  return `${KIND}\0${key}`;
}

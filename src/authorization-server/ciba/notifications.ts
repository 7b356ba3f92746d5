import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { isListed } from '../../remote/document-source.ts';
import { Outbound, type OutboundOptions } from '../../remote/outbound.ts';

export interface NotificationsOptions extends Pick<OutboundOptions, 'caPem' | 'proxy'> {
  /** `host` or `host:port` that may have private addresses. */
  readonly privateHosts: readonly string[];
  readonly log: Log;
}

interface Notification {
  readonly clientId: string;
  /** As it is registered. */
  readonly endpoint: string;
  /** Of the client, for this request. */
  readonly token: string;
  readonly authReqId: string;
}

const TIMEOUT_SECONDS = 5;
/** The answer is not read; a body does no harm (CIBA §10.2). */
const MAX_ANSWER_BYTES = 16_384;
/** Under way at one client, and at all: further ones are dropped, and their clients poll. */
const MAX_OF_CLIENT = 32;
const MAX_OF_ALL = 1024;

/**
 * Pings (CIBA §10.2): one POST to the client's registered address once its request is decided. A ping that fails is one event and
 * is never repeated: the client finds the decision by polling. Clients share no connection: a slow
 * client delays no other.
 */
export class Notifications {
  readonly #log: Log;
  readonly #privateHosts: readonly string[];
  readonly #public: Outbound;
  readonly #private: Outbound;
  readonly #underWay = new Map<string, number>();
  #count = 0;

  constructor({ log, privateHosts, caPem, proxy }: NotificationsOptions) {
    this.#log = log;
    this.#privateHosts = privateHosts;
    const common = { caPem, proxy, timeoutSeconds: TIMEOUT_SECONDS, maxBytes: MAX_ANSWER_BYTES };
    this.#public = new Outbound(common);
    this.#private = new Outbound({ ...common, allowPrivateAddresses: true });
  }

  /** Returns at once, and never throws. */
  send(notification: Notification): void {
    void this.#deliver(notification).catch((error: unknown) => {
      const { clientId, endpoint } = notification;
      this.#log.emit('ciba.ping.failed', { clientId, url: hostOf(endpoint), error });
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#public.close(), this.#private.close()]);
  }

  async #deliver({ clientId, endpoint, token, authReqId }: Notification): Promise<void> {
    const host = hostOf(endpoint);
    const ofClient = this.#underWay.get(clientId) ?? 0;
    if (ofClient >= MAX_OF_CLIENT || this.#count >= MAX_OF_ALL) {
      throw new OpenBankingError('ERR_OUTBOUND_FAILED', { host, problem: 'too many pings are under way' });
    }
    this.#underWay.set(clientId, ofClient + 1);
    this.#count += 1;
    try {
      const client = isListed(endpoint, this.#privateHosts) ? this.#private : this.#public;
      const { status } = await client.fetchBytes(endpoint, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify({ auth_req_id: authReqId })),
        pool: clientId,
      });
      if (status !== 204 && status !== 200) {
        const problem = `the answer has status ${status}`;
        throw new OpenBankingError('ERR_OUTBOUND_ANSWER', { host, problem, status });
      }
      this.#log.emit('ciba.ping.sent', { clientId });
    } finally {
      const left = (this.#underWay.get(clientId) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(clientId);
      else this.#underWay.set(clientId, left);
      this.#count -= 1;
    }
  }
}

/** The path of an address may be a secret of the client's. */
function hostOf(endpoint: string): string {
  return URL.parse(endpoint)?.host ?? '';
}

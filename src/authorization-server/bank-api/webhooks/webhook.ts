import type { Clock } from '../../../clock.ts';
import { epochSeconds } from '../../../clock.ts';
import { OpenBankingError } from '../../../errors.ts';
import type { Outbound } from '../../../remote/outbound.ts';
import { type Signer, signJwt } from '../../signing/signer.ts';
import type { FeedEntry } from '../../../consent/change-feed.ts';

interface WebhookOptions {
  readonly url: string;
  readonly issuer: string;
  readonly signer: Signer;
  readonly outbound: Pick<Outbound, 'fetchBytes'>;
  readonly clock: Clock;
}

/** Names the event inside a security event token (RFC 8417 §2.2). */
export const CONSENT_CHANGED = 'urn:tallystick:event:consent-changed';
const TYPE = 'secevent+jwt';

/** An address of the bank. Each change is sent there in one POST, as a security event token (RFC 8417, RFC 8935). */
export class Webhook {
  readonly url: string;
  readonly #options: WebhookOptions;

  constructor(options: WebhookOptions) {
    this.url = options.url;
    this.#options = options;
  }

  /** The host, for the log: a path may be a secret. */
  get host(): string {
    return new URL(this.url).host;
  }

  /**
   * Delivers one event. A repetition has the same `jti`, by which the receiver knows that the event is one it has.
   *
   * @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED, ERR_OUTBOUND_ANSWER for an answer that does not acknowledge
   */
  async deliver(event: FeedEntry): Promise<void> {
    const { url, issuer, signer, outbound, clock } = this.#options;
    const token = await signJwt(signer, {
      typ: TYPE,
      claims: {
        iss: issuer,
        aud: url,
        iat: epochSeconds(clock.now()),
        jti: `consent-event-${event.number}`,
        toe: epochSeconds(new Date(event.at)),
        sub_id: { format: 'opaque', id: event.consentId },
        events: { [CONSENT_CHANGED]: event },
      },
    });
    const { status } = await outbound.fetchBytes(url, {
      method: 'POST',
      headers: { 'content-type': `application/${TYPE}`, accept: 'application/json' },
      body: Buffer.from(token),
    });
    if (status >= 200 && status < 300) return;
    const problem = `the answer has status ${status}`;
    throw new OpenBankingError('ERR_OUTBOUND_ANSWER', { host: this.host, problem, status });
  }
}

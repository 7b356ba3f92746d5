import { Secret, TOTP } from 'otpauth';
import { systemClock } from '../../../src/clock.ts';
import type {
  CodeMessage,
  ConfirmationRequest,
  CustomerFactors,
  StrongAuthentication,
} from '../../../src/index.ts';
import { type Customer, PagesBench } from './pages-bench.ts';

export const SCA = 'urn:openbanking:psd2:sca';
export const CA = 'urn:openbanking:psd2:ca';
const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
/** The elements of a customer. */
export const GENERATOR: CustomerFactors = { totp: { secret: SECRET } };
export const TELEPHONE: CustomerFactors = { code: { address: '•••• 42' } };
export const APP: CustomerFactors = { app: { device: 'the phone' } };

/** A bench whose server asks for two elements, and the customers of its bank. */
export class ScaBench {
  readonly pages: PagesBench;
  /** Messages that the bank has sent, and questions in its app. */
  readonly sent: CodeMessage[] = [];
  readonly asked: ConfirmationRequest[] = [];
  /** Of the server's clock; the provider's stays. */
  aheadSeconds = 0;
  #customers = 0;

  static async open(settings: Readonly<Record<string, unknown>> = {}): Promise<ScaBench> {
    const holder: { bench?: ScaBench } = {};
    const ahead = () => (holder.bench?.aheadSeconds ?? 0) * 1000;
    const clock = { now: () => new Date(systemClock.now().getTime() + ahead()) };
    const pages = await PagesBench.open(
      { clock },
      { sca: { enabled: true }, acrValues: [SCA, CA], ...settings },
    );
    const bench = new ScaBench(pages);
    holder.bench = bench;
    return bench;
  }

  private constructor(pages: PagesBench) {
    this.pages = pages;
  }

  close(): Promise<void> {
    return this.pages.close();
  }

  /** Between tests: another customer, of whom nothing was counted. */
  renew(): void {
    this.pages.logged = [];
    this.pages.current = {};
    this.sent.length = 0;
    this.asked.length = 0;
    this.aheadSeconds = 0;
    this.#customers += 1;
  }

  get customer(): string {
    return `ann${this.#customers}`;
  }

  /** The first element. */
  typed(username = this.customer) {
    return { username, password: 'right' };
  }

  /** A bank whose customers have these elements. */
  bankWith(factors: CustomerFactors, more: Partial<StrongAuthentication> = {}): void {
    this.pages.current = {
      answerAuthentication: async (_state, { username = '', password }) =>
        password === 'right'
          ? { type: 'authenticated', psuId: `psu-${username}`, amr: ['pwd'] }
          : { type: 'refused', reason: 'wrong-credentials' },
      strong: {
        findFactors: async () => factors,
        sendCode: async (message) => {
          this.sent.push(message);
        },
        askInApp: async (request) => {
          this.asked.push(request);
        },
        ...more,
      },
    };
  }

  /** The code of the generator, now or at another time. */
  generated(seconds = 0): string {
    const timestamp = systemClock.now().getTime() + (this.aheadSeconds + seconds) * 1000;
    return new TOTP({ secret: Secret.fromBase32(SECRET) }).generate({ timestamp });
  }

  get events(): readonly string[] {
    return this.pages.logged.map(({ event }) => event);
  }
}

export const isAtConsent = ({ page }: Customer): boolean => page.text.includes('value="approve"');
/** The elements that the page lets the customer choose. */
export const others = ({ page }: Customer): readonly (string | undefined)[] =>
  [...page.text.matchAll(/name="factor" value="(\w+)"/g)].map(([, name]) => name);

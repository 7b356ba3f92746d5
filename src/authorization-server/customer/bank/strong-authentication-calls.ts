import { z } from 'zod';
import type { Aspsp } from './aspsp.ts';
import type {
  CodeMessage,
  ConfirmationRequest,
  Confirmations,
  CustomerFactors,
  ExemptibleAccess,
  StrongAuthentication,
} from './strong-authentication.ts';
import { connectBank, TimedCalls } from './timed-calls.ts';

interface StrongAuthenticationCallsOptions {
  readonly aspsp: Pick<Aspsp, 'strong'>;
  /** How long one call of the bank may take. */
  readonly callSeconds: number;
}

/** RFC 4648 §6, of 128 bits or more (RFC 4226 §4). */
const BASE32 = /^[A-Z2-7]{26,128}=*$/i;

const factors = z.strictObject({
  totp: z
    .strictObject({
      secret: z.string().regex(BASE32),
      algorithm: z.enum(['SHA1', 'SHA256', 'SHA512']).optional(),
      digits: z.union([z.literal(6), z.literal(8)]).optional(),
      periodSeconds: z.union([z.literal(30), z.literal(60)]).optional(),
    })
    .optional(),
  code: z.strictObject({ address: z.string().min(1).max(40) }).optional(),
  app: z.strictObject({ device: z.string().min(1).max(60) }).optional(),
});

/**
 * The part of the bank for strong customer authentication, each call within its time limit.
 *
 * Every method throws ERR_ASPSP_UNAVAILABLE when the bank throws or returns too late, and ERR_ASPSP_ANSWER when the
 * answer is not of the contract.
 */
export class StrongAuthenticationCalls {
  readonly #bank: StrongAuthentication | undefined;
  readonly #calls: TimedCalls;

  constructor({ aspsp, callSeconds }: StrongAuthenticationCallsOptions) {
    this.#bank = aspsp.strong;
    this.#calls = new TimedCalls(callSeconds);
  }

  connect(confirmations: Confirmations): void {
    connectBank('strong', () => this.#bank?.connect?.(confirmations));
  }

  findFactors(psuId: string): Promise<CustomerFactors> {
    return this.#calls.run('findFactors', factors, async (call) => this.#bank?.findFactors(psuId, call));
  }

  async sendCode(message: CodeMessage): Promise<void> {
    await this.#calls.run('sendCode', z.unknown(), async (call) => this.#bank?.sendCode?.(message, call));
  }

  async askInApp(request: ConfirmationRequest): Promise<void> {
    await this.#calls.run('askInApp', z.unknown(), async (call) => this.#bank?.askInApp?.(request, call));
  }

  async exempts(access: ExemptibleAccess): Promise<boolean> {
    if (this.#bank?.exempts === undefined) return false;
    return this.#calls.run('exempts', z.boolean(), async (call) => this.#bank?.exempts?.(access, call));
  }
}

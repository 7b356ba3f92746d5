import { type RateLimiterRes, RateLimiterMemory } from 'rate-limiter-flexible';
import { OpenBankingError } from '../../errors.ts';
import type { Clients } from '../clients/clients.ts';

export interface RegistrationQuotas {
  /** Clients that one TPP may have in the store. */
  readonly clients: number;
  /** Requests to register, read, change or delete, of one TPP, in each process. */
  readonly requestsPerHour: number;
}

const HOUR_SECONDS = 3600;

/** Bounds what one TPP can register, so that a valid certificate cannot fill the store. */
export class TppQuotas {
  readonly #quotas: RegistrationQuotas;
  readonly #clients: Pick<Clients, 'count'>;
  readonly #requests: RateLimiterMemory;

  constructor(quotas: RegistrationQuotas, clients: Pick<Clients, 'count'>) {
    this.#quotas = quotas;
    this.#clients = clients;
    this.#requests = new RateLimiterMemory({ points: quotas.requestsPerHour, duration: HOUR_SECONDS });
  }

  /** Counts a request, whatever becomes of it. @throws ERR_REGISTRATION_LIMIT */
  async count(authorizationNumber: string): Promise<void> {
    await this.#requests.consume(authorizationNumber).catch((answer: RateLimiterRes) => {
      const seconds = Math.ceil(answer.msBeforeNext / 1000);
      const limit = this.#quotas.requestsPerHour;
      throw new OpenBankingError('ERR_REGISTRATION_LIMIT', { authorizationNumber, limit, seconds });
    });
  }

  /** @throws ERR_REGISTRATION_QUOTA when the TPP has more than `clients` clients, or with `more` of them would have */
  async assertRoom(authorizationNumber: string, { more }: { readonly more: 0 | 1 }): Promise<void> {
    const limit = this.#quotas.clients;
    if ((await this.#clients.count(authorizationNumber, limit + 1)) + more <= limit) return;
    throw new OpenBankingError('ERR_REGISTRATION_QUOTA', { authorizationNumber, limit });
  }
}

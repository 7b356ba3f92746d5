import { hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { keyedHash } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';
import { type Operator, ROLES } from './operator.ts';

/** A `link` is good once and opens a session; a `bearer` is good until its end, for the API. */
type Purpose = 'link' | 'bearer';

const ticketSchema = z.strictObject({
  purpose: z.enum(['link', 'bearer']),
  name: z.string().min(1).max(64),
  roles: z.array(z.enum(ROLES)).min(1),
  exp: z.int(),
  nonce: z.string().min(1).max(64),
});
type Ticket = z.infer<typeof ticketSchema>;

export const LIFE_SECONDS: Readonly<Record<Purpose, number>> = { link: 120, bearer: 900 };
const KIND = 'ManagementTicket';
const MAX_LENGTH = 2048;

/**
 * Proofs that their holder can read the secret of the store, and so may do everything anyway. `tallystick console` makes
 * them; a server honours them on its loopback listener only.
 */
export class LocalTickets {
  readonly #clock: Clock;
  readonly #macOf: (text: string) => string;

  constructor({ secret, clock }: { readonly secret: Buffer; readonly clock: Clock }) {
    this.#clock = clock;
    this.#macOf = keyedHash(Buffer.from(hkdfSync('sha256', secret, '', 'tallystick management tickets', 32)));
  }

  create(purpose: Purpose, { name, roles }: Pick<Operator, 'name' | 'roles'>): string {
    const exp = epochSeconds(this.#clock.now()) + LIFE_SECONDS[purpose];
    const ticket: Ticket = {
      purpose,
      name,
      roles: [...roles],
      exp,
      nonce: randomBytes(16).toString('base64url'),
    };
    const text = Buffer.from(JSON.stringify(ticket)).toString('base64url');
    return `${text}.${this.#macOf(text)}`;
  }

  /** The operator of a bearer token; undefined for any other text. */
  findBearer(text: string): Operator | undefined {
    const ticket = this.#read(text, 'bearer');
    return ticket && operatorOf(ticket);
  }

  /**
   * The operator of a link, for the first who uses the link.
   *
   * @throws ERR_MANAGEMENT_LINK
   */
  async redeem(text: string, store: Pick<Store, 'putIfAbsent'>): Promise<Operator> {
    const ticket = this.#read(text, 'link');
    if (ticket === undefined) {
      throw new OpenBankingError('ERR_MANAGEMENT_LINK', { problem: 'is forged or out of date' });
    }
    const expiresAt = new Date((ticket.exp + LIFE_SECONDS.link) * 1000);
    if (await store.putIfAbsent(KIND, ticket.nonce, { value: null, expiresAt })) return operatorOf(ticket);
    throw new OpenBankingError('ERR_MANAGEMENT_LINK', { problem: 'was used' });
  }

  #read(text: string, purpose: Purpose): Ticket | undefined {
    if (text.length > MAX_LENGTH) return undefined;
    const [payload = '', mac = '', ...more] = text.split('.');
    const expected = Buffer.from(this.#macOf(payload));
    const given = Buffer.from(mac);
    if (more.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected))
      return undefined;
    // The MAC says that this program made the JSON.
    const ticket = ticketSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    const isCurrent = ticket.exp > epochSeconds(this.#clock.now());
    return isCurrent && ticket.purpose === purpose ? ticket : undefined;
  }
}

function operatorOf({ name, roles }: Ticket): Operator {
  return { name, roles, by: 'local' };
}

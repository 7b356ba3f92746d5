import { createHash, randomBytes } from 'node:crypto';
import {
  type AuthenticatorTransport,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import type { Clock } from '../../../../clock.ts';
import { PayloadEncryption } from '../../../../storage/record-protection.ts';
import type { RelyingParty } from '../factors/passkey.ts';
import type { UsedAnswers } from '../factors/used-answers.ts';
import type { Passkeys } from './passkeys.ts';

interface EnrolmentOptions {
  readonly clock: Clock;
  /** Encrypts offers; 32 bytes. */
  readonly secret: Buffer;
  readonly passkeys: Pick<Passkeys, 'listOf' | 'add'>;
  readonly used: Pick<UsedAnswers, 'use'>;
  readonly relyingParty: RelyingParty;
}

/** An offer to make a passkey, as a page carries it. */
export interface EnrolmentOffer {
  /** For the script of the page (Web Authentication, PublicKeyCredentialCreationOptionsJSON). */
  readonly options: string;
  /** Comes back with the answer: encrypted, good for one customer and once. */
  readonly offer: string;
}

interface Offered {
  readonly psuId: string;
  readonly challenge: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

const CHALLENGE_BYTES = 32;
const OFFER_SECONDS = 5 * 60;
/** ES256, EdDSA and RS256 (RFC 9053, RFC 8812): every authenticator has one of them. */
const ALGORITHMS = [-7, -8, -257];
const MAX_NAME_LENGTH = 60;
const MAX_ANSWER_CHARACTERS = 12_000;
const BOUND_TO = 'PasskeyOffer';

const text = z.string().max(MAX_ANSWER_CHARACTERS);
const answerSchema = z.object({
  id: text,
  rawId: text,
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: text,
    attestationObject: text,
    transports: z.array(z.string().max(20)).max(10).default([]),
  }),
});

/** Adds passkeys of customers who have proved two other elements before (RTS article 24: the association of elements). */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #encryption: PayloadEncryption;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** A fresh offer for a customer. The authenticator must verify its customer, and makes no second passkey. */
  async offer(psuId: string): Promise<EnrolmentOffer> {
    const { clock, passkeys, relyingParty } = this.#options;
    const challenge = randomBytes(CHALLENGE_BYTES);
    const known = await passkeys.listOf(psuId);
    const options = await generateRegistrationOptions({
      rpID: relyingParty.id,
      rpName: relyingParty.name,
      userName: relyingParty.name,
      // The same for one customer, and no name.
      userID: new Uint8Array(createHash('sha256').update(`passkey user\0${psuId}`).digest()),
      challenge: new Uint8Array(challenge),
      timeout: OFFER_SECONDS * 1000,
      attestationType: 'none',
      supportedAlgorithmIDs: ALGORITHMS,
      authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
      excludeCredentials: known.map(({ credentialId: id }) => ({ id })),
    });
    const until = clock.now().getTime() + OFFER_SECONDS * 1000;
    const offered: Offered = { psuId, challenge: challenge.toString('base64url'), until };
    return { options: JSON.stringify(options), offer: this.#encryption.encrypt(offered, BOUND_TO) };
  }

  /** Adds the passkey of an answer: false for an answer that is not of this customer's offer, or is late or used. */
  async add(psuId: string, form: URLSearchParams): Promise<boolean> {
    const { clock, used, passkeys } = this.#options;
    const offered = this.#offeredIn(form.get('offer') ?? '');
    const answer = parseAnswer(form.get('answer') ?? '');
    if (offered?.psuId !== psuId || answer === undefined || offered.until <= clock.now().getTime())
      return false;
    const made = await this.#verified(answer, offered.challenge);
    if (made === undefined) return false;
    if (!(await used.use('passkey offer', offered.challenge, new Date(offered.until)))) return false;
    const name = (form.get('name') ?? '').trim().slice(0, MAX_NAME_LENGTH);
    return passkeys.add({ ...made, psuId, name, transports: answer.response.transports ?? [] });
  }

  async #verified(response: RegistrationResponseJSON, challenge: string) {
    const { relyingParty } = this.#options;
    try {
      const { verified, registrationInfo } = await verifyRegistrationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: relyingParty.origin,
        expectedRPID: relyingParty.id,
        requireUserVerification: true,
        supportedAlgorithmIDs: ALGORITHMS,
      });
      if (!verified || !registrationInfo.userVerified) return undefined;
      const { credential, credentialDeviceType } = registrationInfo;
      return {
        credentialId: credential.id,
        publicKey: Buffer.from(credential.publicKey).toString('base64url'),
        counter: credential.counter,
        isDeviceBound: credentialDeviceType === 'singleDevice',
      };
    } catch {
      // The library throws for every wrong answer: nothing is added.
      return undefined;
    }
  }

  #offeredIn(offer: string): Offered | undefined {
    if (offer.length > MAX_ANSWER_CHARACTERS) return undefined;
    try {
      return this.#encryption.decrypt(offer, BOUND_TO) as Offered;
    } catch {
      // A value of the browser, not of the store: another one than this server made.
      return undefined;
    }
  }
}

function parseAnswer(json: string): RegistrationResponseJSON | undefined {
  if (json.length > MAX_ANSWER_CHARACTERS) return undefined;
  try {
    const { success, data } = answerSchema.safeParse(JSON.parse(json));
    if (!success) return undefined;
    const transports = data.response.transports as AuthenticatorTransport[];
    return { ...data, response: { ...data.response, transports }, clientExtensionResults: {} };
  } catch {
    // Not JSON: nothing is added.
    return undefined;
  }
}

import { createHash, randomBytes } from 'node:crypto';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  verifyAuthenticationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import type { Clock } from '../../../../clock.ts';
import { credentialOf, type FoundPasskey, type Passkeys } from '../passkeys/passkeys.ts';
import {
  CHALLENGE_SECONDS,
  type Factor,
  type FactorChallenge,
  type FactorOutcome,
  type FactorQuestion,
} from './factor.ts';
import type { FactorChallengeView } from './factor-view.ts';
import type { UsedAnswers } from './used-answers.ts';

/** The party of Web Authentication for which passkeys are made. */
export interface RelyingParty {
  /** A host, or a domain above it: passkeys are good for it only. */
  readonly id: string;
  /** The origin of the pages. */
  readonly origin: string;
  readonly name: string;
}

interface PasskeyFactorOptions {
  readonly clock: Clock;
  readonly passkeys: Pick<Passkeys, 'find' | 'listOf' | 'used'>;
  readonly used: Pick<UsedAnswers, 'use'>;
  readonly relyingParty: RelyingParty;
}

interface PasskeyState {
  readonly nonce: string;
}

const NONCE_BYTES = 32;
const MAX_ANSWER_CHARACTERS = 8192;

const text = z.string().max(MAX_ANSWER_CHARACTERS);
const answerSchema = z.object({
  id: text,
  rawId: text,
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: text,
    authenticatorData: text,
    signature: text,
    userHandle: text.optional(),
  }),
});

/**
 * A passkey whose authenticator verifies the customer (Web Authentication Level 3): possession of its key, and, where the key is bound
 * to one device, knowledge or inherence as well (RTS articles 6 to 9: independent, as the authenticator keeps both). The
 * challenge holds the hash of the request, so that the signature is good for its amount and payee only.
 */
export class PasskeyFactor implements Factor {
  readonly name = 'passkey';
  readonly isLinked = true;
  readonly sendsMessage = false;
  readonly isAnsweredElsewhere = false;
  readonly #options: PasskeyFactorOptions;

  constructor(options: PasskeyFactorOptions) {
    this.#options = options;
  }

  async isAvailable({ psuId }: Pick<FactorQuestion, 'psuId'>): Promise<boolean> {
    return (await this.#options.passkeys.listOf(psuId)).length > 0;
  }

  async begin(): Promise<FactorChallenge> {
    const state: PasskeyState = { nonce: randomBytes(NONCE_BYTES).toString('base64url') };
    const expiresAt = new Date(this.#options.clock.now().getTime() + CHALLENGE_SECONDS * 1000);
    return { state, expiresAt };
  }

  async view(question: FactorQuestion, { state }: FactorChallenge): Promise<FactorChallengeView> {
    const { passkeys, relyingParty } = this.#options;
    const all = await passkeys.listOf(question.psuId);
    const options = await generateAuthenticationOptions({
      rpID: relyingParty.id,
      challenge: new Uint8Array(challengeOf(question, state)),
      userVerification: 'required',
      timeout: CHALLENGE_SECONDS * 1000,
      allowCredentials: all.map((passkey) => {
        const { id, transports } = credentialOf(passkey);
        return transports === undefined ? { id } : { id, transports };
      }),
    });
    return { factor: 'passkey', options: JSON.stringify(options) };
  }

  async verify(
    question: FactorQuestion,
    { state, expiresAt }: FactorChallenge,
    form: URLSearchParams,
  ): Promise<FactorOutcome> {
    const { clock, passkeys, used } = this.#options;
    const answer = parseAnswer(form.get('answer') ?? '');
    if (answer === undefined) return { type: 'refused' };
    if (expiresAt <= clock.now()) return { type: 'ended' };
    const found = await passkeys.find(answer.id);
    if (found?.passkey.psuId !== question.psuId) return { type: 'refused' };
    const counter = await this.#verifiedCounter(answer, found, challengeOf(question, state));
    if (counter === undefined) return { type: 'refused' };
    const { nonce } = state as PasskeyState;
    // A counter that another answer has raised is one of a copy of the key, or of the same answer sent twice.
    const isFirst = (await used.use('passkey', nonce, expiresAt)) && (await passkeys.used(found, counter));
    if (!isFirst) return { type: 'ended' };
    return found.passkey.isDeviceBound
      ? { type: 'proved', amr: ['hwk', 'user'], kinds: ['possession', 'user-verification'] }
      : { type: 'proved', amr: ['swk', 'user'], kinds: ['possession'] };
  }

  /** Undefined for an answer that is not of this passkey, this challenge or this site, or without user verification. */
  async #verifiedCounter(
    response: AuthenticationResponseJSON,
    { passkey }: FoundPasskey,
    challenge: Buffer,
  ): Promise<number | undefined> {
    const { relyingParty } = this.#options;
    try {
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response,
        expectedChallenge: challenge.toString('base64url'),
        expectedOrigin: relyingParty.origin,
        expectedRPID: relyingParty.id,
        credential: credentialOf(passkey),
        requireUserVerification: true,
      });
      return verified && authenticationInfo.userVerified ? authenticationInfo.newCounter : undefined;
    } catch {
      // The library throws for every wrong answer: the attempt stays counted, and no reason is shown.
      return undefined;
    }
  }
}

/** A random value, and the hash of authentication and request. */
function challengeOf({ occasionId, linkHash }: FactorQuestion, state: unknown): Buffer {
  const { nonce } = state as PasskeyState;
  const link = createHash('sha256').update(`${occasionId}\0${linkHash}`).digest();
  return Buffer.concat([Buffer.from(nonce, 'base64url'), link]);
}

function parseAnswer(json: string): AuthenticationResponseJSON | undefined {
  if (json.length > MAX_ANSWER_CHARACTERS) return undefined;
  try {
    const { success, data } = answerSchema.safeParse(JSON.parse(json));
    if (!success) return undefined;
    const { userHandle, ...response } = data.response;
    const all = userHandle === undefined ? response : { ...response, userHandle };
    return { ...data, response: all, clientExtensionResults: {} };
  } catch {
    // Not JSON: a wrong answer.
    return undefined;
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect } from 'vitest';
import { parseConfig } from '../../src/index.ts';
import { type Bank, freePorts } from './bank.ts';

/** One assertion and one DPoP proof, tried `ways` times at once. */
export interface JtiRound {
  readonly jti: string;
  readonly proof: string;
  readonly token: string;
  readonly jkt: string;
  readonly method: string;
  readonly url: string;
  readonly ways: number;
}

/** How often each was taken for new. */
export interface JtiWins {
  readonly assertion: number;
  readonly proof: number;
}

export interface JtiRacers {
  /** Two processes try 32 times each: one of the 64 is the first. */
  race(): Promise<void>;
  close(): Promise<void>;
}

const CHILD = fileURLToPath(new URL('./jti-child.ts', import.meta.url));
const PROCESSES = 2;
const WAYS = 64;

/** Processes of their own on the store of the bank. */
export async function startJtiRacers(bank: Bank): Promise<JtiRacers> {
  const { folder } = bank;
  const { storage } = parseConfig(bank.configuration(await freePorts()), { source: 'bank', folder });
  const children = Array.from({ length: PROCESSES }, () =>
    fork(CHILD, [JSON.stringify(storage)], { execPath: process.execPath }),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk);
  const token = randomUUID();
  const proofOf = (jti: string) =>
    new SignJWT({
      jti,
      htm: 'GET',
      htu: 'https://api.example/accounts',
      ath: createHash('sha256').update(token).digest('base64url'),
    })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
      .setIssuedAt()
      .sign(privateKey);
  return {
    async race() {
      const jti = randomUUID();
      const ways = WAYS / PROCESSES;
      const round = { jti, proof: await proofOf(jti), token, jkt, method: 'GET', url: '/accounts', ways };
      const wins = await Promise.all(children.map((child) => ask(child, round)));
      const sum = (what: keyof JtiWins) => wins.reduce((total, one) => total + one[what], 0);
      expect({ assertion: sum('assertion'), proof: sum('proof') }).toEqual({ assertion: 1, proof: 1 });
    },
    async close() {
      await Promise.all(
        children.map(async (child) => {
          const ended = once(child, 'exit');
          child.disconnect();
          await ended;
        }),
      );
    },
  };
}

async function ask(child: ChildProcess, round: JtiRound): Promise<JtiWins> {
  const answered = once(child, 'message');
  child.send(round);
  const [wins] = await answered;
  return wins as JtiWins;
}

import { Secret, TOTP } from 'otpauth';
import type { SandboxDescription } from '../../../src/sandbox/folder.ts';
import type { Ports } from '../../durability/bank.ts';
import { codeOf, Tpp } from '../../durability/tpp.ts';
import { bareCode } from './bare-code.ts';
import { PASSWORD, TOTP_SECRET } from './bank-module.ts';

/** Password and code of a generator; the password alone; the pages that oidc-provider brings for developers. */
export type Way = 'strong' | 'password' | 'bare';

/** What the walker is asked for, and what it tells. It runs in a process of its own. */
export interface JourneyBurst {
  readonly description: SandboxDescription;
  readonly ports: Ports;
  readonly seconds: number;
  readonly atOnce: number;
  /** Number of the first customer: each makes one journey, as codes of a generator work once. */
  readonly firstCustomer: number;
  readonly way: Way;
}
export interface JourneyTally {
  readonly count: number;
  readonly requests: number;
  readonly errors: readonly string[];
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

const generator = new TOTP({ secret: Secret.fromBase32(TOTP_SECRET) });
const DETAILS = JSON.stringify([
  { type: 'account_information', actions: ['list_accounts', 'read_balances', 'read_transactions'] },
]);

/** PAR, login, consent to everything, authorization code, token. */
async function journey(tpp: Tpp, { ports, way }: JourneyBurst, customer: number): Promise<void> {
  const to = { ports };
  const asked = way === 'strong' ? { authorization_details: DETAILS } : {};
  const { requestUri, verifier } = await tpp.pushed(to, asked);
  const login = { username: `c${customer}`, password: PASSWORD };
  const code =
    way === 'bare'
      ? await bareCode(tpp, ports, requestUri)
      : codeOf(
          await (await tpp.walk(to, requestUri, { login, secondAnswer: () => generator.generate() })).end(),
        );
  if (code === undefined) throw new Error('no code');
  const { status, json } = await tpp.exchange(to, { code, verifier });
  if (status !== 200 || json.access_token === undefined) throw new Error(`no token: ${status}`);
}

async function burst(options: JourneyBurst): Promise<JourneyTally> {
  const { description, seconds, atOnce } = options;
  let requests = 0;
  const tpp = new Tpp({ description }, 'money-one', () => {
    requests += 1;
  });
  const times: number[] = [];
  const errors: string[] = [];
  let customer = options.firstCustomer;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (performance.now() < until) {
        customer += 1;
        const from = performance.now();
        await journey(tpp, options, customer).then(
          () => times.push(performance.now() - from),
          (error: unknown) => errors.push(String(error)),
        );
      }
    }),
  );
  const taken = (performance.now() - startedAt) / 1000;
  tpp.close();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
  const count = times.length;
  return { count, requests, errors: errors.slice(0, 3), seconds: taken, p50: at(0.5), p99: at(0.99) };
}

process.on('message', (options: JourneyBurst) => {
  void burst(options).then((tally) => process.send?.(tally));
});

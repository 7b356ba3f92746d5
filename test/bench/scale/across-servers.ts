import { Secret, TOTP } from 'otpauth';
import type { Bank } from '../../durability/bank.ts';
import { type Answer, assertionOf, codeOf, onwardOf, Tpp } from '../../durability/tpp.ts';
import { PASSWORD, TOTP_SECRET } from '../journeys/bank-module.ts';
import type { Contender } from '../tokens/contenders.ts';
import type { Servers } from './cluster-site.ts';

/** A thing that one server did and the two others must know, and how long they took, from the answer of the first. */
export interface Check {
  readonly name: string;
  readonly milliseconds: number;
}

/** Issue 17: a revocation counts at every server within a second. */
const LIMIT_MILLISECONDS = 1000;
const LIVE = '200 true';
const DEAD = '200 false';
const DETAILS = JSON.stringify([
  { type: 'account_information', actions: ['list_accounts', 'read_balances', 'read_transactions'] },
]);

/**
 * Tokens, codes and assertions of three servers, each made at one and used at the others, for either format.
 *
 * @throws Error when a server does not know what another did, or knows it too late
 */
export async function checkAcross(bank: Bank, opaque: Servers, jwt: Servers): Promise<readonly Check[]> {
  const across = new AcrossServers(bank);
  const checks = [
    await across.revokedToken(opaque),
    await across.revokedJwt(jwt),
    await across.revokedRefreshToken(opaque),
    await across.usedCode(opaque),
    await across.usedAssertion(opaque),
  ];
  across.close();
  return checks;
}

class AcrossServers {
  readonly #bank: Bank;
  readonly #tpp: Tpp;
  readonly #totp = new TOTP({ secret: Secret.fromBase32(TOTP_SECRET) });
  #customers = 0;

  constructor(bank: Bank) {
    this.#bank = bank;
    this.#tpp = new Tpp(bank);
  }

  close(): void {
    this.#tpp.close();
  }

  /** Made at the first, live at the second, used at the third, revoked at the second. */
  async revokedToken([first, second, third]: Servers): Promise<Check> {
    const { access_token: token } = await this.#tokens([first, second, third]);
    for (const to of [first, second, third]) expectEqual(await this.#introspected(to, token), LIVE);
    expectEqual(statusOf(await this.#tpp.userinfo(third, String(token))), '200 undefined');
    expectEqual(statusOf(await this.#tpp.revoke(second, token)), '200 undefined');
    const refused = async (to: Contender) =>
      `${await this.#introspected(to, token)}, ${(await this.#tpp.userinfo(to, String(token))).status}`;
    const milliseconds = await within(() => Promise.all([first, third].map(refused)), `${DEAD}, 401`);
    return { name: 'opaque token revoked: inactive and refused at the two others', milliseconds };
  }

  /** The same as a JWT, whose status every server has in its lists. */
  async revokedJwt([first, second, third]: Servers): Promise<Check> {
    const { json } = await this.#tpp.clientCredentials(first);
    const token = json.access_token;
    for (const to of [first, second, third]) expectEqual(String(await this.#tpp.isLive(to, token)), 'true');
    expectEqual(statusOf(await this.#tpp.revoke(second, token)), '200 undefined');
    const live = async (to: Contender) => String(await this.#tpp.isLive(to, token));
    const milliseconds = await within(() => Promise.all([first, third].map(live)), 'false');
    return { name: 'JWT revoked: in the status lists of the two others', milliseconds };
  }

  async revokedRefreshToken([first, second, third]: Servers): Promise<Check> {
    const { refresh_token: token } = await this.#tokens([third, first, second]);
    expectEqual(statusOf(await this.#tpp.refresh(second, token)), '200 undefined');
    expectEqual(statusOf(await this.#tpp.revoke(third, token)), '200 undefined');
    const refused = async (to: Contender) => statusOf(await this.#tpp.refresh(to, token));
    const milliseconds = await within(() => Promise.all([first, second].map(refused)), '400 invalid_grant');
    return { name: 'refresh token revoked: refused at the two others', milliseconds };
  }

  /** Its second use ends the tokens of the first one, too (RFC 6749 §4.1.2). */
  async usedCode(servers: Servers): Promise<Check> {
    const [first, second, third] = servers;
    const code = await this.#code(servers);
    const { json } = await this.#tpp.exchange(first, code);
    expectEqual(await this.#introspected(second, json.access_token), LIVE);
    const refused = async (to: Contender) => statusOf(await this.#tpp.exchange(to, code));
    const milliseconds = await within(() => Promise.all([second, third].map(refused)), '400 invalid_grant');
    for (const to of servers) expectEqual(await this.#introspected(to, json.access_token), DEAD);
    return { name: 'code used: refused at the two others, and its token ends', milliseconds };
  }

  async usedAssertion([first, second, third]: Servers): Promise<Check> {
    const form = {
      ...{ grant_type: 'client_credentials', scope: 'accounts' },
      ...(await assertionOf(this.#bank)),
    };
    expectEqual(statusOf(await this.#tpp.post(first, '/token', form)), '200 undefined');
    const refused = async (to: Contender) => String((await this.#tpp.post(to, '/token', form)).json.error);
    const milliseconds = await within(() => Promise.all([second, third].map(refused)), 'invalid_client');
    return { name: 'jti of an assertion used: refused at the two others', milliseconds };
  }

  async #introspected(to: Contender, token: unknown): Promise<string> {
    const { status, json } = await this.#tpp.post(to, '/introspect', { token: String(token) });
    return `${status} ${json.active}`;
  }

  /** Pushed at the first, logged in at the second, approved at the third. */
  async #code([first, second, third]: Servers) {
    this.#customers += 1;
    const login = { username: `c${this.#customers}`, password: PASSWORD };
    const { requestUri, verifier } = await this.#tpp.pushed(first, { authorization_details: DETAILS });
    const browser = { login, secondAnswer: () => this.#totp.generate() };
    const question = await this.#tpp.question(second, requestUri, browser);
    const approved = await this.#tpp.approve(third, question);
    const path = onwardOf(approved);
    if (path === undefined) throw new Error(`no approval: ${approved.status} ${approved.text}`);
    const end = await this.#tpp.walkTo(first, { cookies: question.cookies, path }).end();
    const code = codeOf(end);
    if (code === undefined) throw new Error(`no code: ${end.status} ${end.text.slice(0, 300)}`);
    return { code, verifier };
  }

  async #tokens(servers: Servers): Promise<Record<string, unknown>> {
    const { json, text } = await this.#tpp.exchange(servers[2], await this.#code(servers));
    if (json.access_token === undefined) throw new Error(`no token: ${text}`);
    return json;
  }
}

function statusOf({ status, json }: Answer): string {
  return `${status} ${json.error}`;
}

function expectEqual(found: string, expected: string): void {
  if (found !== expected) throw new Error(`expected ${expected}, found ${found}`);
}

/** Milliseconds until each server answers so. @throws Error when that takes too long */
async function within(found: () => Promise<readonly string[]>, expected: string): Promise<number> {
  const from = performance.now();
  for (;;) {
    const answers = await found();
    if (answers.every((one) => one === expected)) break;
    if (performance.now() - from > LIMIT_MILLISECONDS)
      throw new Error(
        `another server did not know it in time: ${answers.join(', ')} in place of ${expected}`,
      );
  }
  return performance.now() - from;
}

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { type Aspsp, type AuthenticationContext, silentLog, startServer } from '../../../src/index.ts';
import { claimsOf } from '../../durability/tpp.ts';
import { Customer, PagesBench } from './pages-bench.ts';

const SCA = 'urn:openbanking:psd2:sca';
const CA = 'urn:openbanking:psd2:ca';
const login = { username: 'ann', password: 'right' };
const psu = (more: object = {}) =>
  ({ type: 'authenticated', psuId: 'psu-6f1c2a', amr: ['pwd'], ...more }) as const;

let bench: PagesBench;

beforeAll(async () => {
  bench = await PagesBench.open(
    {},
    { acrValues: [SCA, CA], defaultAcr: CA, customerClaims: ['name', 'email'] },
  );
}, 120_000);
afterAll(() => bench.close());
afterEach(() => {
  bench.current = {};
  bench.logged = [];
});

const claims = (idToken: object, userinfo?: object) => ({
  claims: JSON.stringify({ id_token: idToken, ...(userinfo === undefined ? {} : { userinfo }) }),
});

/** The ID token of a flow with these parameters, or the error that the TPP gets. */
async function outcome(parameters: Record<string, string>): Promise<Record<string, unknown>> {
  const customer = await Customer.opens(bench, parameters);
  await customer.send(login);
  if (customer.atLogin) throw new Error('the customer has to log in again');
  if (customer.page.headers.location !== undefined) return customer.atTpp;
  const { id_token: idToken } = await customer.allow();
  return claimsOf(String(idToken));
}

const pushing = async (parameters: Record<string, string>): Promise<unknown> =>
  Customer.opens(bench, parameters).then(
    () => 'accepted',
    (error: Error) => /PAR: 400 (.*)/.exec(error.message)?.[1],
  );

describe('acr (OpenID Connect Core §3.1.2.1, §5.5.1.1)', () => {
  it('is what the login has reached, and the default where the bank names none', async () => {
    expect((await outcome({ acr_values: SCA })).acr).toBe(CA);
    bench.current = { answerAuthentication: async () => psu({ acr: SCA }) };
    expect((await outcome({ acr_values: `${CA} ${SCA}` })).acr).toBe(SCA);
    expect(await outcome(claims({ acr: null, amr: null }))).toMatchObject({ acr: SCA, amr: ['pwd'] });
    expect((await outcome({})).acr).toBe(SCA);
  });

  it('unmet ends the authorization when it is essential, with state and iss, and not when it is a wish', async () => {
    for (const acr of [{ value: SCA }, { values: [SCA] }]) {
      expect(await outcome({ state: 's', ...claims({ acr: { essential: true, ...acr } }) })).toEqual({
        error: 'unmet_authentication_requirements',
        error_description: expect.stringContaining('ERR_AUTHENTICATION_UNMET'),
        state: 's',
        iss: bench.bank.description.issuer,
      });
    }
    expect(bench.logged).toContainEqual({ event: 'psu.login.unmet', code: 'ERR_AUTHENTICATION_UNMET' });
    expect((await outcome(claims({ acr: { value: SCA } }))).acr).toBe(CA);
    expect((await outcome(claims({ acr: { essential: true } }))).acr).toBe(CA);
  });

  it('stays essential beside acr_values, which are wishes', async () => {
    const both = { acr_values: CA, ...claims({ acr: { essential: true, values: [SCA] } }) };
    expect((await outcome(both)).error).toBe('unmet_authentication_requirements');
    bench.current = { answerAuthentication: async () => psu({ acr: SCA }) };
    expect((await outcome(both)).acr).toBe(SCA);
  });

  it('is refused at the push when essential and no login can reach it', async () => {
    expect(
      await pushing(claims({ acr: { essential: true, values: ['urn:other', 'urn:another'] } })),
    ).toContain('unmet_authentication_requirements');
    expect(await pushing(claims({ acr: { essential: true, values: ['urn:other', SCA] } }))).toBe('accepted');
    expect(await pushing({ acr_values: 'urn:other' })).toBe('accepted');
  });

  it('that the configuration does not name is a fault of the bank', async () => {
    bench.current = { answerAuthentication: async () => psu({ acr: 'urn:other' }) };
    const customer = await Customer.opens(bench);
    await customer.send(login);
    expect(customer.page.status).toBe(500);
    expect(bench.logged.map(({ code }) => code)).toContain('ERR_ASPSP_ANSWER');
  });
});

describe('the customer and his login', () => {
  it('must be the one of the claim sub', async () => {
    expect((await outcome(claims({ sub: { value: 'psu-6f1c2a' } }))).sub).toBe('psu-6f1c2a');
    expect((await outcome(claims({ sub: { value: 'psu-other' } }))).error).toBe(
      'unmet_authentication_requirements',
    );
  });

  it('must not be older than max_age, which brings auth_time', async () => {
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
    bench.current = { answerAuthentication: async () => psu({ authTime: ago(300) }) };
    const young = await outcome({ max_age: '600' });
    expect(Number(young.auth_time)).toBeLessThan(Date.now() / 1000 - 250);
    expect((await outcome({ max_age: '100' })).error).toBe('unmet_authentication_requirements');
    for (const now of [{ max_age: '0' }, { prompt: 'login' }]) {
      expect((await outcome(now)).error).toBe('unmet_authentication_requirements');
    }
    bench.current = {};
    expect(Math.abs(Number((await outcome({ max_age: '0' })).auth_time) - Date.now() / 1000)).toBeLessThan(
      60,
    );
  });

  it('are described to the bank: wishes, hints and languages, each bounded', async () => {
    const seen: AuthenticationContext[] = [];
    bench.current = {
      answerAuthentication: async (_state, _values, { request }) => {
        seen.push(request);
        return psu();
      },
    };
    await outcome({
      acr_values: `urn:other ${SCA} ${CA}`,
      max_age: '600',
      login_hint: 'ann.o-neil@example.org',
      ui_locales: `de-AT ../etc fr ${'x'.repeat(50)} en`,
    });
    expect(seen[0]).toMatchObject({
      clientId: bench.tpp.clientId,
      acrValues: [SCA, CA],
      isAcrEssential: false,
      maxAgeSeconds: 600,
      loginHint: 'ann.o-neil@example.org',
      uiLocales: ['de-AT', 'fr', 'en'],
    });
    await outcome({ login_hint: 'x'.repeat(129), ui_locales: 'en '.repeat(20).trim() });
    expect(seen[1]?.loginHint).toBeUndefined();
    expect(seen[1]?.uiLocales).toHaveLength(8);
  });

  it('has the name of login_hint in the field, as text, and the typed name after an attempt', async () => {
    bench.current = {
      answerAuthentication: async () => ({ type: 'refused', reason: 'wrong-credentials' }),
    };
    const customer = await Customer.opens(bench, { login_hint: 'ann"><script>' });
    expect(customer.page.text).toContain('value="ann&quot;&gt;&lt;script&gt;"');
    await customer.send({ ...login, username: 'bob' });
    expect(customer.page.text).toContain('value="bob"');
    expect(customer.page.text).not.toContain('ann&quot;');
  });
});

describe('claims about the customer (OpenID Connect Core §5.5)', () => {
  const known = { name: 'Ann O’Neil', email: 'ann@example.org' };
  const userinfoOf = async (token: unknown) =>
    bench.tpp.userinfo(bench.to, String(token)).then(({ json }) => json);

  it('come in the ID token and from userinfo, as asked, allowed and given; others are ignored', async () => {
    bench.current = { findClaims: async () => known };
    const customer = await Customer.opens(
      bench,
      claims(
        { name: { essential: true }, family_name: null, unknown: { essential: true } },
        { email: null, 'urn:other:claim': {} },
      ),
    );
    await customer.send(login);
    expect(customer.page.text).toContain('Your name and your email address.');
    const tokens = await customer.allow();
    const idToken = claimsOf(String(tokens.id_token));
    expect(idToken.name).toBe('Ann O’Neil');
    expect(Object.keys(idToken)).not.toEqual(expect.arrayContaining(['email', 'family_name', 'unknown']));
    expect(await userinfoOf(tokens.access_token)).toEqual({ sub: 'psu-6f1c2a', email: 'ann@example.org' });
    const consent = await bench.server.consents.find(
      String(claimsOf(String(tokens.access_token)).consent_id),
    );
    expect(consent?.claims).toEqual({ idToken: ['name'], userinfo: ['email'] });
  });

  it('are not asked of the bank without a request, and are no reason to fail', async () => {
    let calls = 0;
    bench.current = {
      findClaims: async () => {
        calls += 1;
        throw new Error('the core is away');
      },
    };
    expect(await outcome({})).not.toHaveProperty('name');
    expect(calls).toBe(0);
    expect(await outcome(claims({ name: { essential: true } }))).not.toHaveProperty('name');
    expect([calls, bench.logged.map(({ event }) => event).includes('psu.claims.missing')]).toEqual([1, true]);
  });

  it('of another name or form than asked do not leave', async () => {
    bench.current = { findClaims: async () => ({ ...known, birthdate: '1970-01-01' }) };
    expect(await outcome(claims({ name: null }))).not.toHaveProperty('email');
    bench.current = { findClaims: async () => ({ name: 7 }) as never };
    expect(await outcome(claims({ name: null }))).not.toHaveProperty('name');
    expect(bench.logged.map(({ code }) => code)).toContain('ERR_ASPSP_ANSWER');
  });
});

describe('the configuration', () => {
  const parse = (settings: object) =>
    parseConfig({ ...bench.bank.config, ...settings }, { source: 'test', folder: bench.bank.folder });

  it.each([
    ['customerClaims', { customerClaims: ['name'] }, 'findClaims'],
    ['ciba.enabled', { ciba: { enabled: true } }, 'decoupled'],
  ])('%s is refused at the start for a module that cannot do it', async (path, settings, part) => {
    const aspsp: Aspsp = {
      name: 'Bank',
      answerAuthentication: async () => psu(),
      listAccounts: async () => [],
    };
    await expect(startServer(parse(settings), { aspsp, log: silentLog })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: { problems: [{ path, message: expect.stringContaining(part) }] },
    });
  });

  it.each([
    [{ acrValues: [SCA], defaultAcr: CA }, 'defaultAcr'],
    [{ acrValues: ['with space'] }, 'acrValues.0'],
    [{ customerClaims: ['shoe_size'] }, 'customerClaims.0'],
  ])('%j is refused', (settings, path) => {
    try {
      parse(settings);
      expect.unreachable('the settings were taken');
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
      const { problems } = (error as { details: { problems: { path: string }[] } }).details;
      expect(problems.map((one) => one.path.replaceAll('[', '.').replaceAll(']', ''))).toContain(path);
    }
  });
});

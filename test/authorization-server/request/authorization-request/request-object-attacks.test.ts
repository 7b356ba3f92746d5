import { constants, createHmac, generateKeyPairSync, KeyObject, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/configuration/config.ts';
import { isRefusal } from '../../../../src/errors.ts';
import type { Answer } from '../../../durability/tpp.ts';
import { corpus, readCorpus } from '../../../x509/corpora.ts';
import {
  ADVANCED,
  type Made,
  OTHER,
  outcomeOf,
  RequestObjectBench,
  SIGNING,
} from './request-object-bench.ts';

let bench: RequestObjectBench;
/** An address that a header points to, and that nobody may ask. */
let canary: Server;
let asked = 0;

beforeAll(async () => {
  bench = await RequestObjectBench.open();
  canary = createServer((_request, response) => {
    asked += 1;
    response.end('{"keys":[]}');
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  canary.close();
  await bench.close();
});

const encoded = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** A request object whose parts are made by hand. */
const parts = (
  header: unknown,
  signer: (data: Buffer) => Buffer,
  payload: unknown = bench.claims(SIGNING),
) => {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${signer(Buffer.from(input)).toString('base64url')}`;
};
const own = (data: Buffer) =>
  sign('sha256', data, { key: KeyObject.from(bench.keys.elliptic.privateKey), dsaEncoding: 'ieee-p1363' });
const rsa =
  (padding: number, saltLength?: number, hash = 'sha256') =>
  (data: Buffer) =>
    sign(hash, data, {
      key: KeyObject.from(bench.keys.rsa.privateKey),
      padding,
      ...(saltLength === undefined ? {} : { saltLength }),
    });

function isRefused(answer: Answer): void {
  const [status, error, description] = outcomeOf(answer);
  expect([status, error]).toEqual([400, 'invalid_request_object']);
  expect(description).toMatch(/^ERR_(REQUEST_OBJECT|REQUEST_INVALID): /);
}
const push = (request: string, more: Record<string, string> = {}) => bench.push(SIGNING, request, more);
const pushMade = async (made: Made) => push(await bench.signed(SIGNING, made));

describe('a request object that is good', () => {
  it.each<[title: string, made: () => Made]>([
    ['as it comes', () => ({})],
    ['of PS256', () => ({ header: { alg: 'PS256', kid: 'rsa' }, key: bench.keys.rsa.privateKey })],
    ['of EdDSA', () => ({ header: { alg: 'EdDSA', kid: 'ed' }, key: bench.keys.edwards.privateKey })],
    ['without kid', () => ({ header: { kid: undefined } })],
    ['without typ', () => ({ header: { typ: undefined } })],
    ['with typ in capitals', () => ({ header: { typ: 'OAuth-AuthZ-Req+JWT' } })],
    ['with typ as a media type', () => ({ header: { typ: 'application/oauth-authz-req+jwt' } })],
    ['for the issuer among others', () => ({ claims: { aud: ['https://other.example', bench.issuer] } })],
    ['of a clock that is 8 s ahead', () => ({ claims: { nbf: inSeconds(8), iat: inSeconds(8) } })],
    ['without jti', () => ({ claims: { jti: undefined } })],
  ])('is taken %s', async (_title, made) => {
    const { status, json } = await pushMade(made());
    expect([status, json.error_description]).toEqual([201, undefined]);
  });
});

describe('claims of a request object (RFC 9101 §4, §6, I6)', () => {
  it.each<[title: string, problem: string, claims: () => Record<string, unknown>]>([
    ['iss of another client', 'iss must be the client_id', () => ({ iss: OTHER })],
    ['no iss', 'iss must be the client_id', () => ({ iss: undefined })],
    ['aud of another server', 'aud must be, or hold, the issuer', () => ({ aud: 'https://other.example' })],
    ['aud of others only', 'aud must be, or hold, the issuer', () => ({ aud: ['https://other.example'] })],
    ['aud with a slash', 'aud must be, or hold, the issuer', () => ({ aud: `${bench.issuer}/` })],
    ['no aud', 'aud', () => ({ aud: undefined })],
    ['client_id of another', 'client_id', () => ({ client_id: OTHER })],
    ['no client_id', 'client_id', () => ({ client_id: undefined })],
    ['sub that is the client', 'sub must not be the client_id', () => ({ sub: SIGNING })],
    ['request inside', 'request', () => ({ request: 'x.y.z' })],
    ['request_uri inside', 'request_uri', () => ({ request_uri: 'urn:ietf:params:oauth:request_uri:x' })],
    ['exp that is over', 'exp has passed', () => ({ nbf: inSeconds(-90), exp: inSeconds(-30) })],
    ['no exp', 'exp is missing', () => ({ exp: undefined })],
    ['no nbf', 'nbf is missing', () => ({ nbf: undefined })],
    ['nbf ahead', 'nbf is in the future', () => ({ nbf: inSeconds(30), exp: inSeconds(90) })],
    ['nbf of long ago', 'nbf must be at most', () => ({ nbf: inSeconds(-3604), exp: inSeconds(-5) })],
    ['a life of 61 minutes', 'exp must be at most', () => ({ exp: inSeconds(3660) })],
    ['exp as text', 'exp must be a number', () => ({ exp: String(inSeconds(60)) })],
    ['exp without end', 'exp must be at most', () => ({ exp: 1e300 })],
    ['jti that is no text', 'jti must be a string', () => ({ jti: { a: 1 } })],
    ['a long claim', 'longer than', () => ({ state: 's'.repeat(5000) })],
  ])('%s', async (_title, problem, claims) => {
    const answer = await pushMade({ claims: claims() });
    isRefused(answer);
    expect(outcomeOf(answer)[2]).toContain(problem);
  });

  it.each([
    ['id_token_hint', 'x.y.z'],
    ['registration', '{}'],
    ['grant_management_action', 'create'],
  ])('%s, which this server does not support', async (name, value) => {
    const [status, , description] = outcomeOf(await pushMade({ claims: { [name]: value } }));
    expect([status, description]).toEqual([400, expect.stringContaining('ERR_PARAMETER_UNSUPPORTED')]);
  });

  it('authorization_details as a list of JSON or as text; others are refused (RFC 9396 §3, I9)', async () => {
    const detail = { type: 'account_information', actions: ['list_accounts'] };
    for (const details of [[detail], JSON.stringify([detail])]) {
      const claims = { authorization_details: details };
      expect((await pushMade({ claims })).status).toBe(201);
    }
    for (const details of [[{ type: 'x' }], [{ ...detail, more: 1 }], [], '[ ]', {}, 7, null, '[[[']) {
      const [status, error] = outcomeOf(await pushMade({ claims: { authorization_details: details } }));
      expect([details, status, error]).toEqual([details, 400, 'invalid_authorization_details']);
    }
  });

  it('a claims parameter of any depth and size has an answer that is no fault (I8)', async () => {
    const deep = `${'['.repeat(4000)}${']'.repeat(4000)}`;
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`c${at}`, null]));
    for (const claims of [
      deep,
      JSON.parse(deep),
      { id_token: JSON.parse(deep) },
      { userinfo: wide },
      [],
      7,
      null,
    ]) {
      const { status, text } = await pushMade({ claims: { claims } });
      expect([status, text]).toEqual([
        400,
        expect.stringMatching(/ERR_(CLAIMS_INVALID|REQUEST_OBJECT|REQUEST_INVALID)/),
      ]);
    }
  });
});

describe('the header of a request object (H1, H2, H3, H4)', () => {
  it.each(['none', 'None', 'NONE', 'nOnE', '', 'HS256', 'RS256', 'ES384', 'ES256K', 'toString', '__proto__'])(
    'alg %j with our signature or without one',
    async (alg) => {
      isRefused(await push(parts({ alg }, () => Buffer.alloc(0))));
      isRefused(await push(parts({ alg, kid: 'ec' }, own)));
    },
  );

  it('HS256 with each form of the public key as the secret', async () => {
    const { jwk } = bench.keys.elliptic;
    const key = KeyObject.from(bench.keys.elliptic.privateKey);
    const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const secrets = [
      JSON.stringify(jwk),
      JSON.stringify({ keys: [jwk] }),
      spki.export({ type: 'spki', format: 'pem' }),
      key.export({ type: 'pkcs8', format: 'der' }),
      '',
    ];
    for (const secret of secrets) {
      const mac = (data: Buffer) => createHmac('sha256', secret).update(data).digest();
      isRefused(await push(parts({ alg: 'HS256', kid: 'ec' }, mac)));
      isRefused(await push(parts({ alg: 'ES256', kid: 'ec' }, mac)));
    }
  });

  it('keys and addresses in it are neither used nor fetched', async () => {
    const { port } = canary.address() as AddressInfo;
    const address = `http://127.0.0.1:${port}/keys`;
    const { other } = bench.keys;
    const pointers = { jwk: other.jwk, jku: address, x5u: address, x5c: ['MIIB'], 'x5t#S256': 'x' };
    for (const [name, value] of Object.entries(pointers)) {
      isRefused(await pushMade({ header: { [name]: value }, key: other.privateKey }));
      isRefused(await pushMade({ header: { [name]: value, kid: undefined }, key: other.privateKey }));
      // Beside the right signature they mean nothing.
      expect((await pushMade({ header: { [name]: value } })).status).toBe(201);
    }
    expect(asked).toBe(0);
  });

  it.each<[title: string, header: Record<string, unknown>]>([
    ['an unknown critical extension', { crit: ['x'], x: 1 }],
    ['a critical extension that is known', { crit: ['exp'], exp: 1 }],
    ['an empty crit', { crit: [] }],
    ['b64 false', { b64: false, crit: ['b64'] }],
    ['b64 true', { b64: true }],
    ['typ of an access token', { typ: 'at+jwt' }],
    ['typ of a DPoP proof', { typ: 'dpop+jwt' }],
    ['typ of a logout token', { typ: 'logout+jwt' }],
    ['typ that is no text', { typ: ['oauth-authz-req+jwt'] }],
    ['typ that goes on', { typ: 'oauth-authz-req+jwt; charset=utf-8' }],
  ])('%s', async (_title, header) => {
    isRefused(await push(parts({ alg: 'ES256', kid: 'ec', typ: 'oauth-authz-req+jwt', ...header }, own)));
  });

  it.each(['other', '../../../../etc/passwd', "' OR 1=1 --", 'x'.repeat(8000), '__proto__', 'enc', 'ec\0'])(
    'kid %j, which names no key that signs',
    async (kid) => {
      isRefused(await push(parts({ alg: 'ES256', kid }, own)));
    },
  );

  it.each([[7], [['ec']], [{ kid: 'ec' }], [null], [true]])(
    'kid %j, which is no text, is no fault',
    async (kid) => {
      expect([201, 400]).toContain((await push(parts({ alg: 'ES256', kid }, own))).status);
      isRefused(await push(parts({ alg: 'ES256', kid }, () => Buffer.alloc(64))));
    },
  );

  it('doubled members mean the last of them, wherever they are read', async () => {
    const doubled = (text: string) => parts(text, own);
    expect((await push(doubled('{"alg":"none","kid":"ec","alg":"ES256"}'))).status).toBe(201);
    isRefused(await push(doubled('{"alg":"ES256","kid":"ec","alg":"none"}')));
    const payload = (last: object) =>
      JSON.stringify(bench.claims(SIGNING)).replace(/}$/, `,${JSON.stringify(last).slice(1)}`);
    const signed = (last: object) => parts({ alg: 'ES256', kid: 'ec' }, own, payload(last));
    isRefused(await push(signed({ client_id: OTHER })));
    isRefused(await push(signed({ iss: OTHER })));
    const foreign = outcomeOf(await push(signed({ redirect_uri: 'https://thief.example/cb' })));
    expect(foreign[0]).toBe(400);
  });

  it('forms that are no compact JWS of three parts', async () => {
    const good = await bench.signed(SIGNING);
    const [header = '', payload = '', signature = ''] = good.split('.');
    const general = JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
    const wrong = [
      'x',
      '..',
      `${header}.${payload}`,
      `${header}..${signature}`,
      `${good}.x`,
      `.${payload}.${signature}`,
      general,
    ];
    for (const request of [
      ...wrong,
      `${header}.${encoded('[]')}.${signature}`,
      `${header}.${encoded('7')}.${signature}`,
    ]) {
      isRefused(await push(request));
    }
  });
});

describe('the signature of a request object (H1)', () => {
  it('of the key of another client with the same kid', async () => {
    isRefused(await pushMade({ key: bench.keys.other.privateKey }));
    // Nor does another client lend its request: the client of the certificate authenticates.
    const request = await bench.signed(OTHER, { key: bench.keys.other.privateKey });
    isRefused(await push(request));
  });

  it('of every wrong form', async () => {
    const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants;
    const der = (data: Buffer) => sign('sha256', data, KeyObject.from(bench.keys.elliptic.privateKey));
    const ec = { alg: 'ES256', kid: 'ec' };
    const ps = { alg: 'PS256', kid: 'rsa' };
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
    const forged: readonly (readonly [object, (data: Buffer) => Buffer])[] = [
      [ec, () => Buffer.alloc(0)],
      [ec, () => Buffer.alloc(64)],
      [ec, () => Buffer.concat([order, order])],
      [ec, () => Buffer.concat([Buffer.alloc(31), Buffer.from([1]), order])],
      [ec, der],
      [ec, (data) => Buffer.concat([own(data), Buffer.alloc(1)])],
      [ec, (data) => own(data).subarray(1)],
      [ec, (data) => Buffer.from(own(data)).reverse()],
      [ps, rsa(RSA_PKCS1_PADDING)],
      [ps, rsa(RSA_PKCS1_PSS_PADDING, 0)],
      [ps, rsa(RSA_PKCS1_PSS_PADDING, 20)],
      [ps, rsa(RSA_PKCS1_PSS_PADDING, 32, 'sha384')],
      [ps, () => Buffer.alloc(256)],
      [{ alg: 'ES256', kid: 'rsa' }, rsa(RSA_PKCS1_PSS_PADDING, 32)],
      [{ alg: 'PS256', kid: 'ec' }, own],
    ];
    for (const [header, signer] of forged) isRefused(await push(parts(header, signer)));
    expect((await push(parts(ps, rsa(RSA_PKCS1_PSS_PADDING, 32)))).status).toBe(201);
  });

  it('after any change of a byte, in any part', async () => {
    const good = await bench.signed(SIGNING);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const at = place % 3;
        const changed = good.split('.').map((part, index) => {
          if (index !== at) return part;
          const bytes = Buffer.from(part, 'base64url');
          const position = place % bytes.length;
          bytes[position] = (bytes[position] ?? 0) ^ change;
          return bytes.toString('base64url');
        });
        const { status } = await push(changed.join('.'));
        expect(status).toBe(400);
      }),
      { numRuns: 150, seed: 13 },
    );
  });
});

describe('what is beside a request object (I3, I7)', () => {
  it('is refused where it is pushed, and no parameter wins over the signed one by value', async () => {
    const request = await bench.signed(SIGNING);
    for (const outside of [
      { scope: 'openid' },
      { redirect_uri: 'https://thief.example' },
      { request_uri: 'urn:x' },
    ]) {
      expect((await push(request, outside)).status).toBe(400);
    }
    const scope = 'openid accounts payments';
    const answer = await bench.authorize(ADVANCED, await bench.signed(ADVANCED), { scope, state: 'forged' });
    expect([answer.status, String(answer.headers.location)]).toEqual([
      303,
      expect.stringContaining('/interaction/'),
    ]);
    const refused = await bench.authorize(
      ADVANCED,
      await bench.signed(ADVANCED, { claims: { prompt: 'none' } }),
      {
        state: 'forged',
      },
    );
    const back = new URLSearchParams(new URL(String(refused.headers.location)).hash.slice(1));
    expect([back.get('error'), back.get('state'), back.get('iss')]).toEqual([
      'login_required',
      'af0ifjsldkj',
      bench.issuer,
    ]);
  });

  it('a client that signs cannot push a plain request, and by value only where its profile says so', async () => {
    const { nbf: _nbf, exp: _exp, aud: _aud, iss: _iss, jti: _jti, ...plain } = bench.claims(SIGNING);
    const pushed = await bench.pages.tpp.post(bench.pages.to, '/par', plain as Record<string, string>);
    expect([pushed.status, pushed.json.error]).toEqual([400, 'invalid_request']);
    const byValue = await bench.authorize(SIGNING, await bench.signed(SIGNING));
    expect(String(byValue.headers.location)).not.toContain('/interaction/');
    const security = await bench.push(bench.pages.tpp.clientId, await bench.signed(bench.pages.tpp.clientId));
    expect(outcomeOf(security)[0]).toBe(400);
  });

  it('is bounded in all', async () => {
    const { status, json } = await push('x'.repeat(16_385));
    expect([status, String(json.error_description)]).toEqual([
      400,
      expect.stringContaining('longer than 16384'),
    ]);
  });
});

describe('a client assertion that is nested deep (I8)', () => {
  it('is no fault at any endpoint', async () => {
    const deep = JSON.parse(`${'['.repeat(3000)}${']'.repeat(3000)}`);
    const assertion = (claims: object, header: object) =>
      parts({ alg: 'ES256', ...header }, own, {
        iss: 'money-one-jwt',
        sub: 'money-one-jwt',
        aud: bench.issuer,
        ...claims,
      });
    for (const client_assertion of [assertion({ x: deep }, {}), assertion({}, { x: deep })]) {
      for (const path of ['/token', '/par', '/introspect', '/revoke']) {
        const { status, json } = await bench.pages.tpp.post(bench.pages.to, path, {
          client_id: 'money-one-jwt',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion,
          grant_type: 'client_credentials',
          token: 'x',
          scope: 'accounts',
        });
        expect([path, status, json.error_description]).toEqual([
          path,
          400,
          expect.stringContaining('16 levels'),
        ]);
      }
    }
  });
});

describe('keys of a client', () => {
  it('that are weak cannot be registered (H11)', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    const exponent = { ...bench.keys.rsa.jwk, e: 'AQ' };
    for (const jwk of [{ ...weak, kid: 'w' }, exponent, { kty: 'oct', k: 'AAAA', kid: 'o' }]) {
      const client = {
        client_id: 'weak',
        client_name: 'Weak',
        authorization_number: 'PSDGB-FCA-900003',
        token_endpoint_auth_method: 'tls_client_auth',
        redirect_uris: ['https://tpp.example/cb'],
        grant_types: ['authorization_code'],
        scope: 'openid',
        jwks: { keys: [jwk] },
      };
      const { config, folder } = bench.pages.bank;
      try {
        parseConfig({ ...config, clients: [client] }, { source: 'test', folder });
        expect.unreachable('the key was taken');
      } catch (error) {
        expect(isRefusal(error, 'ERR_CONFIG_INVALID')).toBe(true);
      }
    }
  });
});

describe('answers to authorization requests (RFC 9207, I13)', () => {
  it('have iss once: beside the parameters, or in the JWT of JARM', async () => {
    const denied = { prompt: 'none' };
    const jarm = { ...denied, response_type: 'code', response_mode: 'jwt' };
    const answer = await bench.authorize(ADVANCED, await bench.signed(ADVANCED, { claims: jarm }), {
      response_type: 'code',
    });
    const parameters = new URL(String(answer.headers.location)).searchParams;
    expect([...parameters.keys()]).toEqual(['response']);
    expect(decodeJwt(parameters.get('response') ?? '')).toMatchObject({
      iss: bench.issuer,
      aud: ADVANCED,
      error: 'login_required',
      state: 'af0ifjsldkj',
    });
  });
});

const wycheproof = corpus('wycheproof');
describe.skipIf(wycheproof.isMissing)(`vectors of others at this door: ${wycheproof.title}`, () => {
  it('none is a request, and none is a fault (H1, H3, H4)', async () => {
    const { testGroups } = JSON.parse(readCorpus('wycheproof', 'json_web_signature_test.json')) as {
      readonly testGroups: readonly { readonly tests: readonly { readonly jws?: string }[] }[];
    };
    const all = testGroups.flatMap(({ tests }) => tests.flatMap(({ jws }) => (jws ? [jws] : [])));
    expect(all.length).toBeGreaterThan(100);
    const statuses = new Set<number>();
    for (const jws of all) statuses.add((await push(jws)).status);
    expect([...statuses]).toEqual([400]);
  });
});

import { describe, expect, it } from 'vitest';
import { oauthAnswer, refusalEvent } from '../src/authorization-server/request/oauth-error.ts';
import { exitCodeOf } from '../src/cli/process.ts';
import { ERROR_CODES, type ErrorCode, OpenBankingError, ruleOf } from '../src/errors.ts';
import { anyDetails } from './any-details.ts';
import { createLog } from '../src/log.ts';
import { refusalAnswer } from '../src/resource-server/decision/challenge.ts';

describe('the catalogue of refusals', () => {
  it.each(ERROR_CODES)('%s has a rule that fits an error_description (RFC 6749 §5.2)', (code) => {
    expect(ruleOf(code)).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]{15,140}$/);
    expect(ruleOf(code)).not.toMatch(/\.$/);
  });
});

describe('a refusal for now', () => {
  it.each(ERROR_CODES)(
    'tells when to come again, at both edges, and only then: %s (RFC 9110 §10.2.3)',
    (code) => {
      const error = new OpenBankingError(code, anyDetails);
      for (const { status, headers } of [oauthAnswer(error), refusalAnswer(error)]) {
        expect(headers['retry-after'] !== undefined).toBe(status === 503 || status === 429);
      }
    },
  );
});

describe('a 401 or 403 of an API', () => {
  it.each(ERROR_CODES)('has a challenge: %s (RFC 9110 §15.5.2, RFC 6750 §3)', (code) => {
    const { status, headers } = refusalAnswer(new OpenBankingError(code, anyDetails), ['accounts']);
    if (status === 401 || status === 403) expect(headers['www-authenticate']).toMatch(/^(Bearer|DPoP)\b/);
  });
});

const refusal = (code: ErrorCode) => new OpenBankingError(code, anyDetails);

describe('the event of a refusal at the authorization server', () => {
  it.each<[event: string, ...codes: ErrorCode[]]>([
    [
      'client.auth.refused',
      'ERR_CERT_REVOKED',
      'ERR_TPP_BLOCKED',
      'ERR_TPP_ROLE_MISSING',
      'ERR_CLIENT_ASSERTION',
    ],
    ['grant.refused', 'ERR_GRANT_INVALID'],
    ['request.refused', 'ERR_REQUEST_INVALID', 'ERR_SCOPE_UNKNOWN', 'ERR_PSU_INPUT'],
    ['dpop.refused', 'ERR_DPOP_PROOF', 'ERR_DPOP_NONCE'],
    ['ciba.polled', 'ERR_APPROVAL_PENDING', 'ERR_APPROVAL_SLOW_DOWN'],
    ['ciba.ended', 'ERR_APPROVAL_DENIED', 'ERR_APPROVAL_EXPIRED'],
    ['http.refused', 'ERR_HTTP_MALFORMED', 'ERR_HTTP_MISDIRECTED', 'ERR_HTTP_NOT_FOUND', 'ERR_HTTP_METHOD'],
    ['proxy.untrusted_header', 'ERR_PROXY_UNTRUSTED'],
    ['proxy.malformed_header', 'ERR_PROXY_HEADER'],
    [
      'dependency.unavailable',
      'ERR_CERT_REVOCATION_UNAVAILABLE',
      'ERR_ASPSP_UNAVAILABLE',
      'ERR_ASPSP_ANSWER',
    ],
    ['dependency.unavailable', 'ERR_STORAGE_UNAVAILABLE', 'ERR_STORAGE_REVOKED', 'ERR_REGISTRY_INVALID'],
    ['dependency.unavailable', 'ERR_BLOCK_LIST_INVALID', 'ERR_OUTBOUND_REFUSED', 'ERR_OUTBOUND_FAILED'],
  ])('%s', (event, ...codes) => {
    expect(codes.map((code) => refusalEvent(refusal(code)))).toEqual(codes.map(() => event));
  });
});

describe('the exit code of the command', () => {
  it.each<[exit: number, ...codes: ErrorCode[]]>([
    [1, 'ERR_CERT_REVOKED', 'ERR_OUTBOUND_REFUSED', 'ERR_TOKEN_INVALID'],
    [2, 'ERR_CONFIG_INVALID', 'ERR_REGISTRY_INVALID', 'ERR_BLOCK_LIST_INVALID'],
    [3, 'ERR_STORAGE_UNAVAILABLE', 'ERR_OUTBOUND_FAILED', 'ERR_TOKEN_KEYS_UNAVAILABLE'],
    [3, 'ERR_TOKEN_STATUS_UNAVAILABLE', 'ERR_OUTBOUND_ANSWER'],
  ])('is %i', (exit, ...codes) => {
    expect(codes.map((code) => exitCodeOf(refusal(code)))).toEqual(codes.map(() => exit));
  });
});

describe('the log', () => {
  function lineOf(fields: Record<string, unknown>): Record<string, unknown> {
    const lines: string[] = [];
    createLog({ destination: { write: (line) => void lines.push(line) } }).emit(
      'client.auth.refused',
      fields,
    );
    return JSON.parse(lines[0] ?? '{}');
  }

  it('writes the fields that it knows, and no other', () => {
    const line = lineOf({
      requestId: 'r',
      clientId: 'c',
      access_token: 'secret',
      password: 'secret',
      body: { token: 'secret' },
    });
    expect(line).toMatchObject({
      event: 'client.auth.refused',
      level: 'warn',
      requestId: 'r',
      clientId: 'c',
    });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  it('writes the fields of each event, also where two of them are given the same facts', () => {
    const lines: string[] = [];
    const log = createLog({ destination: { write: (line) => void lines.push(line) } });
    const facts = { clientId: 'c', consentId: 'k' };
    log.emit('client.auth.refused', facts);
    log.emit('consent.granted', facts);
    const [refused, granted] = lines.map((line) => JSON.parse(line));
    expect([refused.consentId, granted.consentId]).toEqual([undefined, 'k']);
  });

  it('writes code, details and causes of a refusal', () => {
    const cause = new OpenBankingError(
      'ERR_OUTBOUND_FAILED',
      { host: 'as', problem: 'down' },
      { cause: new Error('ECONNREFUSED') },
    );
    const error = new OpenBankingError('ERR_TOKEN_KEYS_UNAVAILABLE', { issuer: 'https://as' }, { cause });
    expect(lineOf({ error })).toMatchObject({
      code: 'ERR_TOKEN_KEYS_UNAVAILABLE',
      details: { issuer: 'https://as' },
      cause: {
        code: 'ERR_OUTBOUND_FAILED',
        cause: { code: 'ERR_UNEXPECTED', problem: 'Error: ECONNREFUSED' },
      },
    });
  });

  it('bounds what a stranger can write, and keeps it on one line (O1, O2)', () => {
    const subject = `CN=${'x'.repeat(65_536)}`;
    const lines: string[] = [];
    createLog({ destination: { write: (line) => void lines.push(line) } }).emit('client.auth.refused', {
      route: 'a\r\nb\u001b[31m',
      error: new OpenBankingError('ERR_CERT_NOT_A_CA', { subject }),
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.length).toBeLessThan(1000);
    for (const control of ['\r', '\n', '\u001b']) expect(lines[0]?.trimEnd()).not.toContain(control);
  });
});

import { describe, expect, it } from 'vitest';
import { errorMode } from '../../../src/authorization-server/profiles/error-mode.ts';
import { PROFILES } from '../../../src/authorization-server/profiles/profiles.ts';

const JARM = ['jwt', 'query.jwt', 'fragment.jwt'];
const security = { profile: 'fapi2-security', responseModes: ['query', 'fragment'] };
const signing = { profile: 'fapi2-message-signing', responseModes: JARM };
const fapi1 = { profile: 'fapi1-advanced', responseModes: ['fragment', ...JARM] };

describe('the response mode of an error', () => {
  it.each([
    ['is the one of the request', security, 'code', 'fragment', 'fragment'],
    ['is left to the provider where the request names none', security, 'code', undefined, undefined],
    ['is plain for a client without signed responses', security, 'code', 'jwt', 'query'],
    ['is one that exists', security, 'code', 'form_post', 'query'],
    ['is the signed one of the request', signing, 'code', 'query.jwt', 'query.jwt'],
    ['is signed where a mode is unknown', signing, 'code', 'web_message.jwt', 'jwt'],
    ['is never the query where a plain one is refused', signing, 'code', 'query', 'fragment'],
    ['is left to the provider for the hybrid flow', fapi1, 'id_token code', undefined, undefined],
    ['is never the query for the hybrid flow', fapi1, 'code id_token', 'query', 'fragment'],
    ['is not signed for the hybrid flow', fapi1, 'code id_token', 'fragment.jwt', 'fragment'],
    ['is the fragment for code without JARM', fapi1, 'code', undefined, 'fragment'],
    ['is the first of the client for an unknown response type', fapi1, 'x', 'form_post', 'fragment'],
  ])('%s', (_title, client, type, mode, expected) => {
    expect(errorMode(client, { response_type: type, response_mode: mode }, PROFILES)).toBe(expected);
  });

  it.each([
    ['signed', signing, 'jwt'],
    ['plain', security, 'query'],
  ])(
    'is the first of the client where its pushed request is not there any more: %s',
    (_kind, client, mode) => {
      const beside = { response_type: 'code', response_mode: 'fragment' };
      for (const parameters of [{}, beside]) {
        const used = { request_uri: 'urn:ietf:params:oauth:request_uri:x', ...parameters };
        expect(errorMode(client, used, PROFILES)).toBe(mode);
      }
    },
  );
});

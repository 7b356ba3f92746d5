import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  claimNames,
  parseClaims,
} from '../../../../src/authorization-server/request/authorization-request/claims-parameter.ts';
import { isRefusal } from '../../../../src/errors.ts';

function problemOf(text: string): string | undefined {
  try {
    parseClaims(text);
    return undefined;
  } catch (error) {
    if (!isRefusal(error, 'ERR_CLAIMS_INVALID')) throw error;
    return error.details.problem;
  }
}

const idToken = (claims: unknown) => problemOf(JSON.stringify({ id_token: claims }));

describe('the claims parameter (OpenID Connect Core §5.5)', () => {
  it.each([
    ['null', { name: null }],
    ['an empty object', { name: {} }],
    ['essential', { name: { essential: true }, email: { essential: false } }],
    ['value and values', { sub: { value: 'x' }, acr: { essential: true, values: ['a', 'b'] } }],
    ['members that nobody knows, which are ignored', { name: { essential: true, of_tomorrow: [1] } }],
    ['claims that nobody knows', { 'https://claims.example/x#y': { purpose: 'x' } }],
  ])('has %s', (_, claims) => {
    expect(idToken(claims)).toBeUndefined();
  });

  it.each([
    ['no JSON', '{"id_token":', 'it is not JSON'],
    ['a list', '[]', 'it is not a JSON object'],
    ['text', '"id_token"', 'it is not a JSON object'],
    ['a list of claims', '{"userinfo":["name"]}', 'userinfo is not a JSON object'],
    [
      'a value in place of an object',
      '{"id_token":{"name":"x"}}',
      'id_token.name is neither null nor a JSON object',
    ],
    [
      'a list in place of an object',
      '{"id_token":{"name":[]}}',
      'id_token.name is neither null nor a JSON object',
    ],
    ['a name of the prototype', '{"id_token":{"__proto__":null}}', 'id_token has a name that no claim has'],
    ['an empty name', '{"id_token":{"":null}}', 'id_token has a name that no claim has'],
    ['a name with line breaks', '{"id_token":{"a\\nb":null}}', 'id_token has a name that no claim has'],
    [
      'essential as text',
      '{"id_token":{"acr":{"essential":"true"}}}',
      'id_token.acr has an essential that is not true or false',
    ],
    [
      'no values',
      '{"id_token":{"acr":{"values":[]}}}',
      'id_token.acr has values that are not a list of 1 to 20',
    ],
    [
      'values as text',
      '{"id_token":{"acr":{"values":"a"}}}',
      'id_token.acr has values that are not a list of 1 to 20',
    ],
    ['both', '{"id_token":{"acr":{"value":"a","values":["b"]}}}', 'id_token.acr has both value and values'],
  ])('is refused with %s', (_, text, problem) => {
    expect(problemOf(text)).toBe(problem);
  });

  it('is bounded: characters, claims, values', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`c${at}`, null]));
    expect([idToken(many(50)), idToken(many(51))]).toEqual([
      undefined,
      'id_token asks for more than 50 claims',
    ]);
    const values = (count: number) => ({ acr: { values: Array.from({ length: count }, () => 'v') } });
    expect([idToken(values(20)), idToken(values(21))]).toEqual([
      undefined,
      expect.stringContaining('1 to 20'),
    ]);
    expect(idToken({ x: { value: 'v'.repeat(510) } })).toBeUndefined();
    expect(idToken({ x: { value: 'v'.repeat(511) } })).toContain('more than 512 characters');
    expect(problemOf(`{"x":"${'v'.repeat(4096)}"}`)).toContain('4096');
    expect(problemOf(`{"id_token":{"x":{"value":${'['.repeat(3000)}`)).toBe('it is not JSON');
  });

  it('is a request or a refusal, whatever a caller sends (I8)', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const problem = problemOf(text);
        if (problem !== undefined) return;
        for (const name of claimNames(parseClaims(text))) expect(name).toMatch(/^[\x21-\x7e]{1,200}$/);
      }),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (claims) => {
        idToken(claims);
      }),
    );
  });
});

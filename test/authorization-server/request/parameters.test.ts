import { describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { assertParameters } from '../../../src/authorization-server/request/parameters.ts';

function problemOf(form: Record<string, string>): string | undefined {
  try {
    assertParameters('/par', new URLSearchParams({ scope: 'accounts', ...form }));
    return undefined;
  } catch (error) {
    return isRefusal(error, 'ERR_REQUEST_INVALID') ? error.details.problem : String(error);
  }
}

describe('the size of parameters', () => {
  it.each([
    ['state', 2048],
    ['nonce', 2048],
    ['redirect_uri', 2048],
    ['client_assertion', 16_384],
    ['of_an_unknown_standard', 2048],
  ])('%s has %i characters at most', (name, longest) => {
    expect(problemOf({ [name]: 'x'.repeat(longest) })).toBeUndefined();
    expect(problemOf({ [name]: 'x'.repeat(longest + 1) })).toBe(
      `${name} is longer than ${longest} characters`,
    );
  });

  it('there are 64 parameters at most', () => {
    const form = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, '1']));
    expect(problemOf(form(63))).toBeUndefined();
    expect(problemOf(form(64))).toBe('there are more than 64 parameters');
  });
});

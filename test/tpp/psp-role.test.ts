import { describe, expect, it } from 'vitest';
import { assertScopesAllowed, scopesAllowed } from '../../src/tpp/authorisation-status.ts';
import { ROLE_OIDS } from '../../src/tpp/psp-role.ts';
import { outcomeOf } from '../x509/refusals.ts';

describe('roles (TS 119 495 cl. 5.2.2)', () => {
  it('have the object identifiers of the standard', () => {
    expect(ROLE_OIDS).toEqual({
      PSP_AS: '0.4.0.19495.1.1',
      PSP_PI: '0.4.0.19495.1.2',
      PSP_AI: '0.4.0.19495.1.3',
      PSP_IC: '0.4.0.19495.1.4',
    });
  });

  it.each([
    ['PSP_AI', 'accounts'],
    ['PSP_PI', 'payments'],
    ['PSP_IC', 'fundsconfirmations'],
  ] as const)('%s covers %s and nothing else (G1)', (role, own) => {
    const scopes = ['accounts', 'payments', 'fundsconfirmations'];
    expect(scopesAllowed(new Set([role]), scopes)).toEqual([own]);
    for (const scope of scopes) {
      const code = outcomeOf(() =>
        assertScopesAllowed({ authorizationNumber: 'x', roles: new Set([role]) }, [scope]),
      );
      expect(code).toBe(scope === own ? 'accepted' : 'ERR_TPP_ROLE_MISSING');
    }
  });

  it('PSP_AS covers no scope of a TPP', () => {
    expect(scopesAllowed(new Set(['PSP_AS']), ['accounts', 'payments', 'fundsconfirmations'])).toEqual([]);
  });
});

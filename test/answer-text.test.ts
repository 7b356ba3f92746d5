import { describe, expect, it } from 'vitest';
import { answerText } from '../src/answer-text.ts';
import { OpenBankingError } from '../src/errors.ts';

const grant = (problem: string) => answerText(new OpenBankingError('ERR_GRANT_INVALID', { problem }));

describe('the text of an answer', () => {
  it('names the own input of the caller after code and rule', () => {
    const problem = 'aud must be the issuer as a single string';
    expect(answerText(new OpenBankingError('ERR_CLIENT_ASSERTION', { clientId: 'a', problem }))).toBe(
      `ERR_CLIENT_ASSERTION: the client assertion does not follow the rules (FAPI 2.0 section 5.3.2.1, RFC 7523 section 3): ${problem}`,
    );
  });

  it('has the characters of an error_description only, and an end (RFC 6749 §5.2)', () => {
    const subject = `CN="a"\\\n\r\u0000é${'x'.repeat(10_000)}`;
    const text = answerText(new OpenBankingError('ERR_CERT_NOT_A_CA', { subject }));
    expect(text).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,500}$/);
    expect(text).toContain("CN='a'?x");
  });

  it('names the fault of a certificate before its name, which may be long', () => {
    const details = { subject: 'x'.repeat(500), problem: 'the roles are empty' };
    expect(answerText(new OpenBankingError('ERR_TPP_STATEMENT_INVALID', details))).toContain(details.problem);
  });

  it('is the same for a code that never was and for one of another client', () => {
    expect(grant('authorization code not found')).toBe(grant('client mismatch'));
    expect(grant('refresh token not found')).toBe(grant('client mismatch'));
    expect(grant('authorization code is expired')).not.toBe(grant('client mismatch'));
  });

  it("keeps to itself why the bank blocked a TPP, and what the bank's own systems said", () => {
    const blocked = { authorizationNumber: 'PSDGB-FCA-1', nca: 'GB-FCA', since: new Date(), reason: 'fraud' };
    expect(answerText(new OpenBankingError('ERR_TPP_BLOCKED', blocked))).not.toContain('fraud');
    const outbound = new OpenBankingError('ERR_OUTBOUND_FAILED', { host: 'core.internal', problem: 'down' });
    expect(answerText(outbound)).toBe(outbound.message);
  });
});

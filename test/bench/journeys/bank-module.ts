/** The key of the code generator of every customer: what is measured does not depend on it. */
export const TOTP_SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
export const PASSWORD = 'right';

/** A module of a bank with any number of customers: `c1`, `c2`… Each has a password, a code generator and two accounts. */
export const JOURNEY_BANK = `
const account = (accountId, name) => ({ accountId, name, identification: '•••• 4321' });
export const createAspsp = async () => ({
  name: 'Example Bank',
  answerAuthentication: async (_state, { username = '', password }) =>
    password === '${PASSWORD}' && /^c\\d+$/.test(username)
      ? { type: 'authenticated', psuId: 'psu-' + username, amr: ['pwd'] }
      : { type: 'refused', reason: 'wrong-credentials' },
  listAccounts: async (psuId) => [account(psuId + '-1', 'Current account'), account(psuId + '-2', 'Savings')],
  findClaims: async () => ({}),
  strong: { findFactors: async () => ({ totp: { secret: '${TOTP_SECRET}' } }) },
  decoupled: { connect: () => {}, findCustomer: async () => ({ type: 'unknown' }), startApproval: async () => {} },
});`;

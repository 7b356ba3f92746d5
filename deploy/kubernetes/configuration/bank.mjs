// The bank's own module: docs/bank-module.md. This one lets no customer log in.
export const createAspsp = async () => ({
  name: 'Example Bank',
  answerAuthentication: async () => ({ type: 'refused', reason: 'wrong-credentials' }),
  listAccounts: async () => [],
});

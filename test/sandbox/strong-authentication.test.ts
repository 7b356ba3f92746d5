import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorize } from '../../src/sandbox/demo/authorization-request.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { answerOnPhone } from '../../src/sandbox/demo/phone.ts';
import { confirmedBy, generatedCode, type SecondElement } from '../../src/sandbox/demo/second-element.ts';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox({ strongAuthentication: true });
});
afterAll(() => sandbox.stop());

const customerNamed = (username: string) => {
  const customer = sandbox.description.customers.find((one) => one.username === username);
  if (customer === undefined) throw new Error(`there is no customer ${username}`);
  return customer;
};

const STRONG = 'urn:openbanking:psd2:sca';

/** Has a customer allow an access, and returns the `acr` of the ID token. */
async function allow(username: string, second: SecondElement) {
  const { description } = sandbox;
  const tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
  const answer = { decision: 'allow', ...customerNamed(username), second } as const;
  try {
    const acr = { essential: true, values: [STRONG] };
    const parameters = { claims: JSON.stringify({ id_token: { acr } }) };
    const { redeem } = await authorize(tpp, { caFile: description.caFile, answer, parameters });
    return (await redeem()).claims()?.acr;
  } finally {
    await tpp.close();
  }
}

const onPhone = (username: string, action: 'approve' | 'reject' = 'approve') =>
  confirmedBy((comparison) => answerOnPhone(sandbox.description, action, { username, comparison }));

describe('strong customer authentication of the sandbox', () => {
  it('takes a code of the generator whose key the sandbox prints', async () => {
    expect(await allow('alice', generatedCode(customerNamed('alice').totpSecret))).toBe(STRONG);
  });

  it('takes a confirmation in the app, which shows the number of the browser', async () => {
    expect(await allow('bob', onPhone('bob'))).toBe(STRONG);
  });

  it('takes a code that the bank sends to the phone', async () => {
    const second: SecondElement = {
      by: 'code',
      answer: async () => {
        const { appUrl } = sandbox.description;
        const login = await sandbox.send(`${appUrl}/login`, {
          method: 'POST',
          body: new URLSearchParams({ ...customerNamed('chloe') }),
        });
        const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? '';
        const { text } = await sandbox.send(`${appUrl}/`, { headers: { cookie } });
        return { answer: /class="message">[^<]*?(\d{6})/.exec(text)?.[1] ?? '' };
      },
    };
    expect(await allow('chloe', second)).toBe(STRONG);
  });

  it('ends when the customer rejects on the phone', async () => {
    await expect(allow('chloe', onPhone('chloe', 'reject'))).rejects.toThrow('You have rejected');
  });
});

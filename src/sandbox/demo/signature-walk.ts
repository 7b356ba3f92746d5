import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { tppNamed } from '../curl-lines.ts';
import { authorize } from './authorization-request.ts';
import type { DemoTpp } from './demo-tpp.ts';
import { type SignedMessage, signMessage, verifyAnswer } from './signed-message.ts';
import { answerOf, type Walk } from './walk.ts';

const PAYMENT = { creditorName: 'Corner Shop', creditorIban: 'GB33BUKB20201555555555', currency: 'GBP' };

/** A signed payment, its signed answer, and the same payment altered on the way. */
export async function showSignatures(walk: Walk): Promise<void> {
  const { resourceUrl: origin, caFile } = walk.description;
  const tpp = await walk.connect('money-one', { method: 'private_key_jwt' });
  const tokens = await walk.succeeds(
    'the customer consents to payments',
    async () => {
      const parameters = { scope: 'openid accounts payments' };
      return (await authorize(tpp, { caFile, answer: answerOf(walk), parameters })).redeem();
    },
    ({ scope }) => `token for "${scope}"`,
  );
  if (tokens === undefined) return;
  const request = await walk.succeeds(
    'a signed payment, and the answer of the bank, signed for it (RFC 9421)',
    async () => {
      const { body } = await tpp.call('/accounts', tokens.access_token);
      const [account] = body.accounts as readonly { readonly accountId: string }[];
      const payment = { ...PAYMENT, debtorAccountId: account?.accountId, amount: '12.50' };
      const message = { path: '/signed-payments', body: JSON.stringify(payment), token: tokens.access_token };
      const pem = await readFile(tppNamed(walk.description, 'money-one').signingKeyPemFile, 'utf8');
      const { kid } = tpp.signingKey;
      const signed = signMessage(origin, message, { key: createPrivateKey(pem), kid });
      const answer = await tpp.send(signed);
      if (answer.status !== 201) throw new Error(`HTTP ${answer.status}, ${answer.text}`);
      const keys = await tpp.answerKeys('/accounts');
      return { signed, key: verifyAnswer(origin, { request: signed, answer }, keys) };
    },
    ({ key }) => `HTTP 201, signed with the bank's key ${key.slice(0, 8)}…`,
  );
  if (request === undefined) return;
  const { signed } = request;
  const altered = { ...signed, body: signed.body.replace('12.50', '99.50') };
  const { signature, 'signature-input': input, ...unsigned } = signed.headers;
  await walk.isRefused('the same payment with another amount', 'ERR_SIGNATURE_DIGEST', () =>
    pay(tpp, altered),
  );
  await walk.isRefused('the same payment to another address', 'ERR_SIGNATURE_INVALID', () =>
    pay(tpp, { ...signed, path: '/signed-payments?x=1' }),
  );
  await walk.isRefused('the same payment without its signature', 'ERR_SIGNATURE_MISSING', () =>
    pay(tpp, { ...signed, headers: unsigned }),
  );
}

async function pay(tpp: DemoTpp, message: SignedMessage): Promise<void> {
  const { status, text } = await tpp.send(message);
  if (status !== 201) throw new Error(`HTTP ${status}, ${JSON.parse(text).error_description}`);
}

import { createHash } from 'node:crypto';
import type { AskedLogin, FoundInteraction } from '../open-interaction.ts';

/** All that a request asks for. */
export function askedLogin({ interaction: { params }, client }: FoundInteraction): AskedLogin {
  const { authorization_details: details, scope, claims } = params;
  const parsed = typeof details === 'string' ? (JSON.parse(details) as AskedLogin['details']) : [];
  const text = JSON.stringify([client.clientId, scope, claims, details]);
  return {
    details: parsed,
    isPayment:
      parsed.some(({ type }) => type === 'payment_initiation') ||
      String(scope).split(' ').includes('payments'),
    linkHash: createHash('sha256').update(text).digest('base64url'),
  };
}

import type { StrongAuthentication } from '../../index.ts';
import type { PhoneMessages } from './phone/phone-messages.ts';

/** The elements of a customer, beside the password. */
interface CustomerElements {
  readonly totpSecret: string;
  readonly phone: string;
}

/**
 * The demo bank's second elements: generators of codes, messages to the phone, and the app. Passkeys are kept by the server.
 * The bank exempts no access, so that each walk through its pages is the same.
 */
export function demoAuthentication(
  elementsOf: (psuId: string) => CustomerElements | undefined,
  messages: Pick<PhoneMessages, 'send'>,
): StrongAuthentication {
  return {
    // The application (phone-app.ts) asks the running server what waits.
    connect: () => {},
    findFactors: async (psuId) => {
      const elements = elementsOf(psuId);
      if (elements === undefined) return {};
      const { totpSecret: secret, phone } = elements;
      return {
        totp: { secret },
        code: { address: `•••• ${phone.slice(-2)}` },
        app: { device: 'your phone' },
      };
    },
    sendCode: async ({ psuId, text }) => messages.send(psuId, text),
    askInApp: async () => {},
  };
}

import { z } from 'zod';

/** `bankApp` of a configuration file. */
export const bankAppSchema = z
  .strictObject({
    url: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .refine((text) => URL.canParse(text) && new URL(text).hash === '', { error: 'must have no fragment' })
      .meta({
        description:
          'Address of the application of the bank, in which customers log in and consent instead of on our pages. The browser comes with `?interaction=<handle>`, once.',
      }),
    bankName: z.string().min(1).max(80).meta({
      description: "The bank's name on the pages that are left to this server. A module has its own.",
    }),
  })
  .optional();

/** The problem of a configuration with an application that could not ask for anything. */
export function findBankAppProblem({
  bankApp,
  bankApi,
}: {
  readonly bankApp?: unknown;
  readonly bankApi?: { readonly callers: readonly { readonly may: readonly string[] }[] } | undefined;
}) {
  if (bankApp === undefined || bankApi?.callers.some(({ may }) => may.includes('interactions')) === true)
    return [];
  return [{ path: 'bankApp', message: 'needs bankApi with a caller that may use interactions' }];
}

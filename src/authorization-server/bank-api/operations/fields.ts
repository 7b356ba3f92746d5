import { z } from 'zod';

/** Fields that several operations have. */
export const NOTHING = z.strictObject({});

export const psuIdField = z
  .string()
  .min(1)
  .max(255)
  .meta({ description: 'The customer: the `sub` of tokens, as the login returns it.' });

export const instantField = z.iso.datetime({ offset: true }).meta({ description: 'An instant (RFC 3339).' });

export const accountIdsField = z
  .array(z.string().min(1).max(128))
  .max(1000)
  .meta({ description: "The accounts, by the bank's own identifiers." });

export const cursorField = z.string().min(1).max(512).meta({ description: 'The `next` of the page before.' });

export const languageField = z
  .string()
  .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/, 'must be a language tag')
  .optional()
  .meta({ description: 'The language of the words (RFC 5646). Default: that of the bank.' });

export const detailsField = z
  .array(z.looseObject({ type: z.string().min(1).max(128) }).meta({ id: 'AuthorizationDetail' }))
  .max(10)
  .meta({
    description:
      'What is asked for, in the form of RFC 9396: `account_information`, `payment_initiation`, `funds_confirmation`, and the types of the bank.',
  });

/** How a customer proved his identity, as a program of the bank reports it. */
export const loginFields = {
  amr: z
    .array(z.string().min(1).max(40))
    .min(1)
    .max(10)
    .meta({ description: 'Authentication methods (RFC 8176), such as `pwd`, `hwk`.' }),
  acr: z.string().min(1).max(200).optional().meta({
    description: 'One of `acrValues` of the configuration; default: its `defaultAcr`.',
  }),
  authTime: instantField.optional().meta({ description: 'Default: now. Never in the future.' }),
};

export const tppField = z
  .object({
    service: z.string().meta({ description: 'The name of the service, as customers know it.' }),
    legalName: z.string(),
    authorizationNumber: z.string(),
  })
  .meta({ id: 'Tpp' });

/** The input of a port, which has dates. */
export function authTimeOf({ authTime }: { readonly authTime?: string | undefined }): {
  readonly authTime?: Date;
} {
  return authTime === undefined ? {} : { authTime: new Date(authTime) };
}

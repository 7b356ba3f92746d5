import { z } from 'zod';

/** Claims about a customer that a bank may give to TPPs (OpenID Connect Core §5.1). Their words on the pages are in `pages/words/`. */
export const CUSTOMER_CLAIM_NAMES = Object.freeze([
  'name',
  'given_name',
  'family_name',
  'middle_name',
  'email',
  'email_verified',
  'gender',
  'birthdate',
  'zoneinfo',
  'locale',
  'phone_number',
  'phone_number_verified',
  'address',
  'updated_at',
] as const);

export type CustomerClaim = (typeof CUSTOMER_CLAIM_NAMES)[number];

const text = z.string().min(1).max(300);
const address = z
  .strictObject({
    formatted: text,
    street_address: text,
    locality: text,
    region: text,
    postal_code: text,
    country: text,
  })
  .partial();

/** The values of claims, as the bank's module returns them. A claim that the customer does not have is absent. */
export const customerClaimsSchema = z
  .strictObject({
    name: text,
    given_name: text,
    family_name: text,
    middle_name: text,
    email: text,
    email_verified: z.boolean(),
    gender: text,
    birthdate: z.string().regex(/^\d{4}(-\d{2}-\d{2})?$/),
    zoneinfo: text,
    locale: text,
    phone_number: text,
    phone_number_verified: z.boolean(),
    address,
    updated_at: z.int().nonnegative(),
  } satisfies Record<CustomerClaim, z.ZodType>)
  .partial();

export type CustomerClaimValues = z.infer<typeof customerClaimsSchema>;

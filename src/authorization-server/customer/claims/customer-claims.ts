import { z } from 'zod';

/** Claims about a customer that a bank may give to TPPs, each with its words on the consent page (OpenID Connect Core §5.1). */
export const CUSTOMER_CLAIMS = Object.freeze({
  name: 'your name',
  given_name: 'your first name',
  family_name: 'your family name',
  middle_name: 'your middle name',
  email: 'your email address',
  email_verified: 'whether your email address has been checked',
  gender: 'your gender',
  birthdate: 'your date of birth',
  zoneinfo: 'your time zone',
  locale: 'your language',
  phone_number: 'your telephone number',
  phone_number_verified: 'whether your telephone number has been checked',
  address: 'your postal address',
  updated_at: 'when these details changed last',
} as const);

export type CustomerClaim = keyof typeof CUSTOMER_CLAIMS;
export const CUSTOMER_CLAIM_NAMES = Object.freeze(Object.keys(CUSTOMER_CLAIMS)) as readonly CustomerClaim[];

export function isCustomerClaim(name: string): name is CustomerClaim {
  return Object.hasOwn(CUSTOMER_CLAIMS, name);
}

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

import { z } from 'zod';
import { FACTOR_NAMES } from '../../authorization-server/customer/authentication/factors/factor.ts';
import type { ScaOptions } from '../../authorization-server/customer/authentication/strong-parts.ts';
import type { Problem } from '../../errors.ts';

const STRONG = 'urn:openbanking:psd2:sca';

/** `sca` of a configuration file. */
export const scaSchema = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description:
        'This server asks for a second element after the steps of the bank (RTS articles 4 to 10a). The module of the bank must have `strong`. Off: the steps of the bank are the whole authentication, and their `acr` counts.',
    }),
    factors: z
      .array(z.enum(FACTOR_NAMES))
      .min(1)
      .refine((all) => new Set(all).size === all.length, { error: 'has a factor twice' })
      .default([...FACTOR_NAMES])
      .meta({
        description:
          'Elements that customers may use, the preferred first. `totp` approves no payment: its codes know nothing of amount and payee.',
      }),
    passkeyDomain: z
      .string()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a host name')
      .optional()
      .meta({
        description:
          'The domain for which passkeys are made: the host of `issuer`, which is the default, or a domain above it. Passkeys of another domain are lost.',
      }),
  })
  .prefault({});

/** The strong customer authentication of a validated value; undefined where it is off. */
export function scaOptions({
  enabled,
  factors,
  passkeyDomain,
}: z.infer<typeof scaSchema>): ScaOptions | undefined {
  return enabled ? { factors, passkeyDomain } : undefined;
}

/** Values of `sca` that do not fit the rest of the configuration. */
export function findScaProblems({
  issuer,
  acrValues,
  sca,
}: {
  readonly issuer: string;
  readonly acrValues: readonly string[];
  readonly sca: z.infer<typeof scaSchema>;
}): readonly Problem[] {
  if (!sca.enabled) return [];
  const { hostname } = new URL(issuer);
  const { passkeyDomain = hostname } = sca;
  return [
    ...(acrValues.includes(STRONG)
      ? []
      : [{ path: 'acrValues', message: `needs ${STRONG} for sca.enabled` }]),
    ...(hostname === passkeyDomain || hostname.endsWith(`.${passkeyDomain}`)
      ? []
      : [{ path: 'sca.passkeyDomain', message: 'must be the host of issuer, or a domain above it' }]),
  ];
}

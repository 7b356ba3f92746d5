import { z } from 'zod';
import { PROFILE_NAMES, type Profiles, profilesNamed } from '../authorization-server/profiles/profiles.ts';
import {
  isBoundToKey,
  SENDER_CONSTRAINTS,
  type SenderConstraint,
} from '../authorization-server/profiles/sender-constraint.ts';
import type { Problem } from '../errors.ts';
import { CERTIFICATE_DEMANDS, type CertificateDemand } from '../authorization-server/request/tpp-gate.ts';

const profileName = z.enum(PROFILE_NAMES);
const [DEFAULT = ''] = PROFILE_NAMES;

/** Which FAPI profiles clients may have. */
export const profilesSchema = z
  .strictObject({
    default: profileName.default(DEFAULT).meta({
      description: 'The FAPI profile of a client that names none: [profiles.md](profiles.md).',
    }),
    allowed: z.array(profileName).min(1).optional().meta({
      description: 'The profiles that a client may have; absent: the default alone.',
    }),
  })
  .prefault({})
  .refine(({ default: first, allowed = [first] }) => allowed.includes(first), {
    path: ['allowed'],
    error: 'must include the default',
  });

/** The names of the profiles that clients may have, the default first. */
export function allowedProfiles({
  default: first,
  allowed = [],
}: z.infer<typeof profilesSchema>): readonly string[] {
  return [...new Set([first, ...allowed])];
}

const constraint = z.enum(SENDER_CONSTRAINTS);

/** How the access tokens of clients may be bound to them. */
const senderConstraintsSchema = z
  .strictObject({
    default: constraint.default('certificate').meta({
      description: 'How the access tokens of a client are bound that names no `sender_constraint`.',
    }),
    allowed: z.array(constraint).default(['certificate', 'certificate-and-dpop']).meta({
      description:
        'Every `sender_constraint` that a client may have. `dpop` goes without the certificate at the APIs, for which article 34 of the RTS asks.',
    }),
  })
  .prefault({})
  .refine(({ default: first, allowed }) => allowed.includes(first), {
    path: ['allowed'],
    error: 'must include the default',
  });

/** The sender constraints that clients may have, the default first. */
export function allowedConstraints({
  default: first,
  allowed,
}: z.infer<typeof senderConstraintsSchema>): readonly SenderConstraint[] {
  return [...new Set([first, ...allowed])];
}

/** The profiles of a configuration, as clients may have them. */
export function clientProfiles(config: {
  readonly profiles: z.infer<typeof profilesSchema>;
  readonly senderConstraints: z.infer<typeof senderConstraintsSchema>;
  readonly selfSignedCertificates: SelfSignedRule;
}): Profiles {
  return profilesNamed(
    allowedProfiles(config.profiles),
    allowedConstraints(config.senderConstraints),
    config.selfSignedCertificates === 'accept-registered',
  );
}

const SELF_SIGNED_RULES = ['refuse', 'accept-registered'] as const;
type SelfSignedRule = (typeof SELF_SIGNED_RULES)[number];

/** Fields of the configuration file about the proofs that access tokens and their clients need. */
export const senderConstraintFields = {
  senderConstraints: senderConstraintsSchema,
  certificatesDemanded: z.enum(CERTIFICATE_DEMANDS).default('everywhere').meta({
    description:
      'Where TPPs must present their certificate. `where-tokens-are-issued`: a `private_key_jwt` client may push an authorization request without one, as FAPI 2.0 allows. `where-tokens-are-bound-to-one`: moreover, a `private_key_jwt` client with `sender_constraint: dpop` needs none at all.',
  }),
  selfSignedCertificates: z.enum(SELF_SIGNED_RULES).default('refuse').meta({
    description:
      '`accept-registered`: a client may authenticate by a self-signed certificate that it has registered in its keys (`self_signed_tls_client_auth`, [registration.md](registration.md)). Only where every entry of `trust` has the profile `own-ca`.',
  }),
  dpop: z
    .strictObject({
      nonce: z.enum(['off', 'required']).default('off').meta({
        description:
          '`required`: each DPoP proof at this server holds a nonce of the server, which changes every minute (RFC 9449 §8).',
      }),
    })
    .prefault({}),
  /** The name of a rule of `certificatesDemanded` before there was another. */
  pushedRequests: z.never({ error: 'is now certificatesDemanded: where-tokens-are-issued' }).optional(),
};

/** Settings that only clients could use which the bank does not allow, and profiles that no client could have. */
export function findDemandProblems(
  {
    certificatesDemanded: demanded,
    dpop: { nonce },
    senderConstraints: { allowed },
    selfSignedCertificates,
    trust,
  }: {
    readonly certificatesDemanded: CertificateDemand;
    readonly dpop: { readonly nonce: 'off' | 'required' };
    readonly senderConstraints: z.infer<typeof senderConstraintsSchema>;
    readonly selfSignedCertificates: SelfSignedRule;
    readonly trust: readonly { readonly profile: string }[];
  },
  profiles: Profiles,
): readonly Problem[] {
  const problems: Problem[] = profiles
    .filter(({ senderConstraints }) => senderConstraints.length === 0)
    .map(({ name }) => ({ path: 'senderConstraints.allowed', message: `has none that ${name} allows` }));
  if (demanded === 'where-tokens-are-bound-to-one' && !allowed.includes('dpop')) {
    const message = `is ${demanded}: senderConstraints.allowed must name dpop`;
    problems.push({ path: 'certificatesDemanded', message });
  }
  if (nonce === 'required' && !allowed.some(isBoundToKey)) {
    const message = 'is required: senderConstraints.allowed must name certificate-and-dpop or dpop';
    problems.push({ path: 'dpop.nonce', message });
  }
  trust.forEach(({ profile }, at) => {
    if (selfSignedCertificates === 'refuse' || profile === 'own-ca') return;
    const message = `is ${profile}: selfSignedCertificates are possible with own-ca only, as article 34 of the RTS and its UK form ask TPPs for certificates of a CA`;
    problems.push({ path: `trust[${at}].profile`, message });
  });
  return problems;
}

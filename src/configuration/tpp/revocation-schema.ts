import { z } from 'zod';
import { invalidConfig, type Problem } from '../../errors.ts';
import { readRequired } from '../configured-files.ts';
import { parseTrustFile } from '../../tpp/trust-files.ts';
import { parseAnchor } from '../../x509/certificate/certificate.ts';
import type { RevocationPin, RevocationPolicy } from '../../x509/revocation/revocation.ts';

const seconds = z.int().positive();
const host = z
  .string()
  .regex(/^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/, 'must be a host, or host:port');
const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** `revocation` of a configuration file: the limits of revocation checking, for all profiles. */
export const revocationSchema = z
  .strictObject({
    folder: z.string().min(1).optional().meta({
      description: 'Where the last good OCSP answers and CRLs are kept over a restart; absent: nowhere.',
    }),
    privateHosts: z.array(host).default([]).meta({
      description:
        'Hosts (`host` or `host:port`) of responders that may have private addresses. All others must be public.',
    }),
    ocspTimeoutSeconds: seconds.default(5).meta({ description: 'Longest wait for an OCSP answer.' }),
    crlTimeoutSeconds: seconds.default(60).meta({ description: 'Longest wait for a whole CRL.' }),
    maxCrlBytes: z.int().positive().max(100_000_000).default(64_000_000).meta({
      description: 'Largest CRL that is read. A million entries take about 50 MB.',
    }),
    coolDownSeconds: seconds.default(15).meta({
      description: 'How long a source that failed is left alone.',
    }),
  })
  .prefault({});

/** `trust[].revocation` of a configuration file. See `openRevocationPolicy` for the value to use. */
export const revocationPolicySchema = z
  .strictObject({
    mode: z.enum(['ocsp-first', 'crl-first', 'both', 'none']).default('ocsp-first').meta({
      description:
        'Which source is asked first; the other one when that gives nothing. `both`: each that the certificate names must say good. `none`: **revoked certificates are accepted**.',
    }),
    whenUnknown: z.enum(['refuse', 'accept-and-report']).default('refuse').meta({
      description:
        '`accept-and-report`: a certificate whose status no source proves is accepted, with a log line for each use.',
    }),
    withoutPointers: z.enum(['refuse', 'accept']).default('refuse').meta({
      description: 'Certificates that do not say where their status is.',
    }),
    shortTerm: z.enum(['check', 'accept']).default('check').meta({
      description:
        '`accept`: validity-assured short-term certificates (EN 319 412-1 clause 5.2) and noRevAvail (RFC 9608), up to seven days, need no answer.',
    }),
    nonce: z.enum(['optional', 'required', 'not-sent']).default('optional').meta({
      description:
        'Whether an OCSP answer must repeat the nonce of the request (RFC 9654). Many responders cannot.',
    }),
    certIdHash: z.enum(['sha1', 'sha256']).default('sha1').meta({
      description: 'Hash by which OCSP requests name a certificate. Every responder knows `sha1` (RFC 5019).',
    }),
    refreshSeconds: seconds.default(300).meta({
      description: 'Answers in use are asked for anew after so long: how long a revocation may go unseen.',
    }),
    graceSeconds: z.int().min(0).default(0).meta({
      description: 'How long after its end an answer still counts while no newer one can be had.',
    }),
    budgetSeconds: z.number().positive().max(30).default(1.5).meta({
      description: 'How long a request may wait for answers about its certificates.',
    }),
    ocspMaxAgeSeconds: seconds.default(3600).meta({
      description: 'How long an OCSP answer without nextUpdate is good.',
    }),
    ocspMaxWindowSeconds: seconds.default(864_000).meta({
      description: 'How long an OCSP answer is good at most, whatever its nextUpdate says.',
    }),
    crlMaxAgeSeconds: seconds.optional().meta({
      description: 'How long a CRL is good at most; a CRL without nextUpdate is refused unless this is set.',
    }),
    hosts: z.array(host).optional().meta({
      description: 'The only hosts that may be asked; absent: any that certificates name.',
    }),
    issuers: z
      .array(
        z.strictObject({
          certificateFile: z.string().min(1).meta({ description: 'PEM of an issuing CA.' }),
          ocspUrls: z.array(url).optional().meta({
            description: 'Responders to ask in place of those that its certificates name.',
          }),
          crlUrls: z.array(url).optional().meta({
            description: 'CRLs to use in place of those that its certificates name.',
          }),
        }),
      )
      .default([]),
  })
  .prefault({});

type PolicyValue = z.infer<typeof revocationPolicySchema>;

/** The relaxations of each profile against strict checking, in words for the log. */
export function relaxedRevocations(
  trust: readonly { readonly profile: string; readonly revocation: PolicyValue }[],
): readonly Problem[] {
  return trust.flatMap(({ profile, revocation }, index) => {
    const { mode, whenUnknown, withoutPointers } = revocation;
    const messages = [
      ...(mode === 'none' ? ['revoked certificates are accepted'] : []),
      ...(whenUnknown === 'refuse' ? [] : ['certificates of unknown status are accepted']),
      ...(withoutPointers === 'refuse'
        ? []
        : ['certificates that do not say where their status is are accepted']),
    ];
    return messages.map((message) => ({
      path: `trust[${index}].revocation`,
      message: `${profile}: ${message}`,
    }));
  });
}

/**
 * The policy of a validated value.
 *
 * @throws ERR_CONFIG_INVALID, ERR_CERT_MALFORMED
 */
export async function openRevocationPolicy(value: PolicyValue): Promise<RevocationPolicy> {
  const { nonce, ocspMaxAgeSeconds, ocspMaxWindowSeconds, issuers, ...rest } = value;
  const pins = await Promise.all(issuers.map(pinsOf));
  return Object.freeze({
    ...rest,
    ocsp: { nonce, maxAgeSeconds: ocspMaxAgeSeconds, maxWindowSeconds: ocspMaxWindowSeconds },
    pins: pins.flat(),
  });
}

async function pinsOf({
  certificateFile,
  ...urls
}: PolicyValue['issuers'][number]): Promise<RevocationPin[]> {
  const path = 'trust[].revocation.issuers[].certificateFile';
  const text = await readRequired(certificateFile, path);
  const { certificates, faults } = parseTrustFile(text, { file: certificateFile, path, parse: parseAnchor });
  const problems = faults.map((message) => ({ path, message }));
  if (problems.length > 0) throw invalidConfig(certificateFile, problems);
  return certificates.map((issuer) => ({ issuer, ...urls }));
}

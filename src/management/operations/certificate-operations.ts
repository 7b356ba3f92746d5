import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { TppAuthenticator } from '../../tpp/authenticate.ts';
import { decisionJson } from '../../tpp/decision-groups.ts';
import type { SeenCertificates, SeenFacts } from '../../tpp/seen-certificates.ts';
import { parseCertificate } from '../../x509/certificate/certificate.ts';
import { formatName, shownName } from '../../x509/certificate/distinguished-name.ts';
import { none, reading } from './contract.ts';
import { daysUntil, instantField, nextField, pageFields, tppField } from './fields.ts';

export interface CertificateParts {
  readonly seen: Pick<SeenCertificates, 'find' | 'list'>;
  readonly authenticator: Pick<TppAuthenticator, 'evaluate'>;
  readonly clock: Clock;
}

const certificateSchema = z
  .object({
    thumbprint: z.string().meta({ description: 'SHA-256 in base64url, `x5t#S256`.' }),
    authorizationNumber: z.string(),
    legalName: z.string(),
    seenAt: instantField.meta({ description: 'The day of the last use.' }),
    notAfter: instantField.meta({ description: 'The end of the first certificate of its path that ends.' }),
    daysLeft: z.int(),
  })
  .meta({ id: 'Certificate' });

const stepSchema = z.object({
  rule: z.string(),
  clause: z.string(),
  outcome: z.enum(['passed', 'refused']),
  found: z.string().optional(),
  code: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
const certificateDetailSchema = certificateSchema
  .extend({
    subject: z.string(),
    issuer: z.string().meta({ description: 'RFC 4514, for a block.' }),
    serialNumber: z.string().meta({ description: 'Hexadecimal, for a block.' }),
    notBefore: instantField,
    pem: z.string().meta({ description: 'The certificate, its CAs, the anchor.' }),
    decision: z
      .object({
        decision: z.enum(['accepted', 'refused']),
        at: instantField,
        code: z.string().optional(),
        rule: z.string().optional(),
        groups: z.array(
          z.object({
            title: z.string(),
            serialNumber: z.string().optional(),
            'x5t#S256': z.string().optional(),
            steps: z.array(stepSchema),
          }),
        ),
        notAsked: z.array(z.string()).optional().meta({ description: 'Questions after the refusal.' }),
      })
      .meta({
        description:
          'What the token endpoint would decide now, rule by rule: `tallystick certificate verify`.',
      }),
  })
  .meta({ id: 'CertificateDetail' });
export type CertificateDetailView = z.infer<typeof certificateDetailSchema>;

/** Certificates of TPPs that were accepted in the last 90 days. */
export function certificateOperations(parts: CertificateParts) {
  return {
    listCertificates: reading(
      {
        part: 'certificates',
        operationId: 'listCertificates',
        path: '/v1/certificates',
        right: 'certificates',
        summary: 'Certificates of TPPs that were accepted in the last 90 days, the first to end first',
        params: none,
        query: z.strictObject({
          ...pageFields,
          tpp: tppField.optional(),
          endsWithinDays: z.coerce.number().int().min(0).max(3660).optional(),
        }),
        answer: z.object({ certificates: z.array(certificateSchema), total: z.int(), next: nextField }),
      },
      async ({ query: { tpp, endsWithinDays, after, limit } }) => {
        const now = parts.clock.now();
        const found = await parts.seen.list(
          ({ authorizationNumber, notAfter }) =>
            (tpp === undefined || authorizationNumber === tpp) &&
            (endsWithinDays === undefined || daysUntil(notAfter, now) <= endsWithinDays),
        );
        const start = after === undefined ? 0 : found.findIndex(({ thumbprint }) => thumbprint === after) + 1;
        const page = found.slice(start, start + limit);
        const next = start + limit < found.length ? page.at(-1)?.thumbprint : undefined;
        const certificates = page.map((one) => viewOf(one, parts.clock));
        return { certificates, total: found.length, ...(next === undefined ? {} : { next }) };
      },
    ),
    readCertificate: reading(
      {
        part: 'certificates',
        operationId: 'readCertificate',
        path: '/v1/certificates/{thumbprint}',
        right: 'certificates',
        summary: 'One certificate, with the decision about it now',
        params: z.strictObject({ thumbprint: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }),
        answer: certificateDetailSchema,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND'],
      },
      ({ params: { thumbprint } }) => detailed(parts, thumbprint),
    ),
  };
}

async function detailed(
  { seen, authenticator, clock }: CertificateParts,
  thumbprint: string,
): Promise<CertificateDetailView> {
  const found = await seen.find(thumbprint);
  if (found === undefined) {
    throw new OpenBankingError('ERR_MANAGEMENT_NOT_FOUND', { kind: 'certificate', id: thumbprint });
  }
  const { chain, ...facts } = found;
  const [der = Buffer.alloc(0), ...intermediates] = chain.map((text) => Buffer.from(text, 'base64'));
  const certificate = parseCertificate(der);
  const now = clock.now();
  const evaluation = await authenticator.evaluate({ der, intermediates });
  // As JSON has it: dates and sets in the evidence of refusals are texts and lists.
  const decision = JSON.parse(JSON.stringify(decisionJson(evaluation, now)));
  return {
    ...viewOf(facts, clock),
    subject: shownName(certificate.subject),
    issuer: formatName(certificate.issuer),
    serialNumber: certificate.serialNumber,
    notBefore: certificate.notBefore.toISOString(),
    pem: chain.map(pemOf).join(''),
    decision,
  };
}

function viewOf({ seenAt, notAfter, ...seen }: SeenFacts, clock: Clock) {
  return {
    ...seen,
    seenAt: seenAt.toISOString(),
    notAfter: notAfter.toISOString(),
    daysLeft: daysUntil(notAfter, clock.now()),
  };
}

function pemOf(base64: string): string {
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

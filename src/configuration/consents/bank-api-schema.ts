import { z } from 'zod';
import { BANK_API_PARTS } from '../../authorization-server/bank-api/contract.ts';
import type { BankCaller } from '../../authorization-server/bank-api/bank-callers.ts';
import type { Certificate } from '../../x509/certificate/certificate.ts';
import { healthAddressSchema } from '../health-schema.ts';
import { subjectFields, subjectsOf } from '../../authorization-server/clients/subject-schema.ts';

const file = z.string().min(1);
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const MAX_WEBHOOKS = 10;
const SUBJECT = 'Subject of its certificate; exactly one of the five `tls_client_auth_*` (RFC 8705 §2.1.2).';

export const callerNameField = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be a short name in small letters');

const callerSchema = z
  .strictObject({
    name: callerNameField.meta({
      description: 'Names the program in the history of consents and in the log.',
    }),
    may: z.array(z.enum(BANK_API_PARTS)).min(1).meta({
      description:
        'The parts of the API that the program may use. The application for customers needs `interactions` only.',
    }),
    ...subjectFields(SUBJECT, 'The same.'),
  })
  .superRefine((value, context) => {
    if (subjectsOf(value).length === 1) return;
    context.addIssue({ code: 'custom', path: [], message: 'exactly one tls_client_auth_* must be set' });
  });

const webhookSchema = z.strictObject({
  url: httpsUrl.meta({
    description:
      'Address of the bank that receives every change of a consent, as a signed security event token (RFC 8935).',
  }),
  caFile: file.optional().meta({
    description: 'PEM of the only CAs that are trusted for the address; absent: the public ones.',
  }),
  allowPrivateAddress: z.boolean().default(false).meta({
    description: 'Whether the address may be of this machine or of a private network.',
  }),
});

/** `bankApi` of a configuration file. */
export const bankApiSchema = z
  .strictObject({
    url: httpsUrl.meta({ description: 'Public URL of the listener: without a path.' }),
    listen: healthAddressSchema.prefault(8445).meta({
      description: 'Where the bank API is served: a port of loopback, or `host:port`.',
    }),
    tls: z
      .strictObject({
        certificateFile: file.meta({
          description: 'PEM of the certificate of the listener, when it is not that of `tls`.',
        }),
        privateKeyFile: file.meta({ description: 'PEM of its private key.' }),
      })
      .optional(),
    anchorsFile: file.meta({
      description:
        "PEM of the bank's own CA for the certificates of callers, and of no CA that issues to TPPs; read again when it changes.",
    }),
    callers: z.array(callerSchema).min(1),
    webhooks: z.array(webhookSchema).max(MAX_WEBHOOKS).default([]),
  })
  .superRefine(({ url, callers, webhooks }, context) => {
    for (const [at, webhook] of webhooks.entries()) {
      if (webhooks.findIndex((one) => one.url === webhook.url) === at) continue;
      context.addIssue({
        code: 'custom',
        path: ['webhooks', at, 'url'],
        message: 'is the address of another webhook',
      });
    }
    if (URL.canParse(url) && new URL(url).origin !== url.replace(/\/$/, '')) {
      context.addIssue({ code: 'custom', path: ['url'], message: 'must be an https URL without a path' });
    }
    refuseDoubledCallers(callers, context);
  })
  .optional();

/** Two callers must have neither one name nor one subject. */
export function refuseDoubledCallers(
  callers: readonly (Parameters<typeof subjectsOf>[0] & { readonly name: string })[],
  context: z.RefinementCtx,
): void {
  for (const [at, { name }] of callers.entries()) {
    if (callers.findIndex((one) => one.name === name) === at) continue;
    context.addIssue({
      code: 'custom',
      path: ['callers', at, 'name'],
      message: 'is the name of another caller',
    });
  }
  const subjects = callers.map((one) => JSON.stringify(subjectsOf(one)));
  for (const [at, subject] of subjects.entries()) {
    if (subjects.indexOf(subject) === at) continue;
    context.addIssue({
      code: 'custom',
      path: ['callers', at],
      message: 'has the subject of another caller',
    });
  }
}

/** The callers of a validated value; `anchors.current` is read at each use. */
export function bankCallers(
  { callers }: NonNullable<z.infer<typeof bankApiSchema>>,
  anchors: { readonly current: readonly Certificate[] },
): readonly BankCaller[] {
  return callers.map((entry) => {
    const [subject] = subjectsOf(entry);
    if (subject === undefined) throw new TypeError('the entry has no subject');
    return {
      name: entry.name,
      may: entry.may,
      subject,
      get anchors() {
        return anchors.current;
      },
    };
  });
}

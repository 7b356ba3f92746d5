import { z } from 'zod';
import { BANK_API_PARTS } from '../../authorization-server/bank-api/contract.ts';
import type { BankCaller } from '../../authorization-server/bank-api/bank-callers.ts';
import type { Certificate } from '../../x509/certificate/certificate.ts';
import { healthAddressSchema } from '../health-schema.ts';
import {
  listenerUrl,
  namedCallerFields,
  ownTlsSchema,
  proofOf,
  refuseDoubledCallers,
  refuseOtherThanOneSubject,
} from '../callers/bank-callers-schema.ts';

const file = z.string().min(1);
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const MAX_WEBHOOKS = 10;

const callerSchema = z
  .strictObject({
    ...namedCallerFields('Names the program in the history of consents and in the log.'),
    may: z.array(z.enum(BANK_API_PARTS)).min(1).meta({
      description:
        'The parts of the API that the program may use. The application for customers needs `interactions` only.',
    }),
  })
  .superRefine(refuseOtherThanOneSubject);

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
    url: listenerUrl('Public URL of the listener: without a path.'),
    listen: healthAddressSchema.prefault(8445).meta({
      description: 'Where the bank API is served: a port of loopback, or `host:port`.',
    }),
    tls: ownTlsSchema,
    anchorsFile: file.meta({
      description:
        "PEM of the bank's own CA for the certificates of callers, and of no CA that issues to TPPs; read again when it changes.",
    }),
    callers: z.array(callerSchema).min(1),
    webhooks: z.array(webhookSchema).max(MAX_WEBHOOKS).default([]),
  })
  .superRefine(({ callers, webhooks }, context) => {
    for (const [at, webhook] of webhooks.entries()) {
      if (webhooks.findIndex((one) => one.url === webhook.url) === at) continue;
      context.addIssue({
        code: 'custom',
        path: ['webhooks', at, 'url'],
        message: 'is the address of another webhook',
      });
    }
    refuseDoubledCallers(callers, context);
  })
  .optional();

/** The callers of a validated value; `anchors.current` is read at each use. */
export function bankCallers(
  { callers }: NonNullable<z.infer<typeof bankApiSchema>>,
  anchors: { readonly current: readonly Certificate[] },
): readonly BankCaller[] {
  return callers.map((entry) => Object.assign(proofOf(entry, anchors), { name: entry.name, may: entry.may }));
}

import { z } from 'zod';
import type { ManagementCaller } from '../../management/operators/management-callers.ts';
import { ROLES } from '../../management/operators/operator.ts';
import type { Certificate } from '../../x509/certificate/certificate.ts';
import {
  listenerUrl,
  namedCallerFields,
  ownTlsSchema,
  proofOf,
  refuseDoubledCallers,
  refuseOtherThanOneSubject,
} from '../callers/bank-callers-schema.ts';
import { openidSchema } from './openid-schema.ts';
import { healthAddressSchema } from '../health-schema.ts';

const file = z.string().min(1);

const callerSchema = z
  .strictObject({
    ...namedCallerFields('Names the person or program in the audit record.'),
    roles: z.array(z.enum(ROLES)).min(1).meta({
      description:
        'Rights of the caller: `viewer` sees; `support` ends consents; `operator` changes clients and blocks; `security` rotates keys. Each sees what a viewer sees.',
    }),
  })
  .superRefine(refuseOtherThanOneSubject);

/** `management` of a configuration file. */
export const managementSchema = z
  .strictObject({
    url: listenerUrl('URL of the listener, as operators call it: without a path.'),
    listen: healthAddressSchema.prefault(9443).meta({
      description:
        'Where management API, console, metrics and health are served with client certificates: a port of loopback, or `host:port`.',
    }),
    tls: ownTlsSchema,
    anchorsFile: file.meta({
      description:
        "PEM of the bank's own CA for the client certificates, which everyone presents; of no CA that issues to TPPs. Read again when it changes.",
    }),
    callers: z.array(callerSchema).default([]),
    openid: openidSchema.optional(),
  })
  .superRefine(({ callers, openid }, context) => {
    if (callers.length === 0 && openid === undefined) {
      context.addIssue({ code: 'custom', path: ['callers'], message: 'or openid is required' });
    }
    refuseDoubledCallers(callers, context);
  })
  .optional();

/** The callers of a validated value; `anchors.current` is read at each use. */
export function managementCallers(
  { callers }: NonNullable<z.infer<typeof managementSchema>>,
  anchors: { readonly current: readonly Certificate[] },
): readonly ManagementCaller[] {
  return callers.map((entry) =>
    Object.assign(proofOf(entry, anchors), { name: entry.name, roles: entry.roles }),
  );
}

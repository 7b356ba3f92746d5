import { z } from 'zod';
import { subjectFields, subjectsOf } from '../../authorization-server/clients/subject-schema.ts';
import type { ManagementCaller } from '../../management/operators/management-callers.ts';
import { ROLES } from '../../management/operators/operator.ts';
import type { Certificate } from '../../x509/certificate/certificate.ts';
import { callerNameField, refuseDoubledCallers } from '../consents/bank-api-schema.ts';
import { openidSchema } from './openid-schema.ts';
import { healthAddressSchema } from '../health-schema.ts';

const file = z.string().min(1);
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const SUBJECT = 'Subject of its certificate; exactly one of the five `tls_client_auth_*` (RFC 8705 §2.1.2).';

const callerSchema = z
  .strictObject({
    name: callerNameField.meta({ description: 'Names the person or program in the audit record.' }),
    roles: z.array(z.enum(ROLES)).min(1).meta({
      description:
        'Rights of the caller: `viewer` sees; `support` ends consents; `operator` changes clients and blocks; `security` rotates keys. Each sees what a viewer sees.',
    }),
    ...subjectFields(SUBJECT, 'The same.'),
  })
  .superRefine((value, context) => {
    if (subjectsOf(value).length === 1) return;
    context.addIssue({ code: 'custom', path: [], message: 'exactly one tls_client_auth_* must be set' });
  });

/** `management` of a configuration file. */
export const managementSchema = z
  .strictObject({
    url: httpsUrl.meta({ description: 'URL of the listener, as operators call it: without a path.' }),
    listen: healthAddressSchema.prefault(9443).meta({
      description:
        'Where management API, console, metrics and health are served with client certificates: a port of loopback, or `host:port`.',
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
        "PEM of the bank's own CA for the client certificates, which everyone presents; of no CA that issues to TPPs. Read again when it changes.",
    }),
    callers: z.array(callerSchema).default([]),
    openid: openidSchema.optional(),
  })
  .superRefine(({ url, callers, openid }, context) => {
    if (callers.length === 0 && openid === undefined) {
      context.addIssue({ code: 'custom', path: ['callers'], message: 'or openid is required' });
    }
    if (URL.canParse(url) && new URL(url).origin !== url.replace(/\/$/, '')) {
      context.addIssue({ code: 'custom', path: ['url'], message: 'must be an https URL without a path' });
    }
    refuseDoubledCallers(callers, context);
  })
  .optional();

/** The callers of a validated value; `anchors.current` is read at each use. */
export function managementCallers(
  { callers }: NonNullable<z.infer<typeof managementSchema>>,
  anchors: { readonly current: readonly Certificate[] },
): readonly ManagementCaller[] {
  return callers.map((entry) => {
    const [subject] = subjectsOf(entry);
    if (subject === undefined) throw new TypeError('the entry has no subject');
    const { name, roles } = entry;
    return {
      name,
      roles,
      subject,
      get anchors() {
        return anchors.current;
      },
    };
  });
}

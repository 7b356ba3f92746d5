import { z } from 'zod';
import type { RegisteredResourceServer } from '../authorization-server/tokens/resource-servers.ts';
import type { Certificate } from '../x509/certificate/certificate.ts';
import { subjectFields, subjectsOf } from '../authorization-server/clients/subject-schema.ts';

const SUBJECT = 'Subject of its certificate; exactly one of the five `tls_client_auth_*` (RFC 8705 §2.1.2).';

/** A resource server that may ask about tokens and consents: an entry of `resourceServers`. */
export const resourceServerSchema = z
  .strictObject({
    client_id: z
      .string()
      .regex(/^[\x20-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters')
      .meta({ description: 'Under which the resource server asks; the audience of signed answers.' }),
    resource: z.url().meta({ description: 'Audience of the tokens and consents that it may ask about.' }),
    anchorsFile: z.string().min(1).meta({
      description:
        "PEM of the bank's own CA for certificates of resource servers; read again when it changes.",
    }),
    ...subjectFields(SUBJECT, 'The same.'),
  })
  .superRefine((value, context) => {
    if (subjectsOf(value).length === 1) return;
    context.addIssue({ code: 'custom', path: [], message: 'exactly one tls_client_auth_* must be set' });
  });

/** The resource server of an entry; `anchors.current` is read at each use. */
export function registeredResourceServer(
  entry: z.infer<typeof resourceServerSchema>,
  anchors: { readonly current: readonly Certificate[] },
): RegisteredResourceServer {
  const [subject] = subjectsOf(entry);
  if (subject === undefined) throw new TypeError('the entry has no subject');
  return {
    client_id: entry.client_id,
    resource: entry.resource,
    get anchors() {
      return anchors.current;
    },
    subject,
  };
}

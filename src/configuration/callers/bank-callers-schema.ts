import { z } from 'zod';
import { subjectFields, subjectsOf } from '../../authorization-server/clients/subject-schema.ts';
import type { Certificate } from '../../x509/certificate/certificate.ts';
import { secondPairSchema } from './second-pair-schema.ts';

const file = z.string().min(1);
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });
const SUBJECT = 'Subject of its certificate; exactly one of the five `tls_client_auth_*` (RFC 8705 §2.1.2).';

/** An entry of `callers`: a person or program of the bank that a certificate of the bank's own CA names. */
export const namedCallerFields = (description: string) => ({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be a short name in small letters')
    .meta({ description }),
  ...subjectFields(SUBJECT, 'The same.'),
});
type CallerValue = Parameters<typeof subjectsOf>[0] & { readonly name: string };

/** The certificate of a listener for the bank's own callers, where it is not that of `tls`. */
export const ownTlsSchema = z
  .strictObject({
    certificateFile: file.meta({
      description: 'PEM of the certificate of the listener, when it is not that of `tls`.',
    }),
    privateKeyFile: file.meta({ description: 'PEM of its private key.' }),
    second: secondPairSchema,
  })
  .optional();

/** The public URL of such a listener. */
export const listenerUrl = (description: string) =>
  httpsUrl
    .refine((url) => !URL.canParse(url) || new URL(url).origin === url.replace(/\/$/, ''), {
      error: 'must be an https URL without a path',
    })
    .meta({ description });

/** Refuses an entry that has not exactly one subject. */
export function refuseOtherThanOneSubject(value: CallerValue, context: z.RefinementCtx): void {
  if (subjectsOf(value).length === 1) return;
  context.addIssue({ code: 'custom', path: [], message: 'exactly one tls_client_auth_* must be set' });
}

/** Refuses two callers with one name or one subject. */
export function refuseDoubledCallers(callers: readonly CallerValue[], context: z.RefinementCtx): void {
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
    context.addIssue({ code: 'custom', path: ['callers', at], message: 'has the subject of another caller' });
  }
}

/** The proof by which a validated entry is recognised; `anchors.current` is read at each use. */
export function proofOf(entry: CallerValue, anchors: { readonly current: readonly Certificate[] }) {
  const [subject] = subjectsOf(entry);
  if (subject === undefined) throw new TypeError('the entry has no subject');
  return {
    subject,
    get anchors() {
      return anchors.current;
    },
  };
}

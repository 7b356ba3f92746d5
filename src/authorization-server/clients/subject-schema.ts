import { z } from 'zod';
import {
  findSubjectProblem,
  SUBJECT_PROPERTIES,
  type SubjectProperty,
} from '../../x509/certificate/subject-property.ts';

const subjectOf = (property: SubjectProperty, description: string) =>
  z
    .string()
    .max(1024)
    .superRefine((value, context) => {
      const problem = findSubjectProblem(property, value);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .optional()
    .meta({ description });

/** The five fields, of which an entry has one at most: the subject of its certificate (RFC 8705 §2.1.2). */
export const subjectFields = (first: string, others: string) => ({
  tls_client_auth_subject_dn: subjectOf('tls_client_auth_subject_dn', first),
  tls_client_auth_san_dns: subjectOf('tls_client_auth_san_dns', others),
  tls_client_auth_san_uri: subjectOf('tls_client_auth_san_uri', others),
  tls_client_auth_san_ip: subjectOf('tls_client_auth_san_ip', others),
  tls_client_auth_san_email: subjectOf('tls_client_auth_san_email', others),
});

/** The subjects that an entry has. */
export function subjectsOf(entry: Partial<Readonly<Record<SubjectProperty, string | undefined>>>) {
  return SUBJECT_PROPERTIES.flatMap((property) => {
    const value = entry[property];
    return value === undefined ? [] : [{ property, value }];
  });
}

import { z } from 'zod';
import { TOLERANCES } from '../../tpp/qc-statements.ts';
import { revocationPolicySchema } from './revocation-schema.ts';

const file = z.string().min(1);
const seconds = z.int().positive();

const trustedLists = z.strictObject({
  folder: file.meta({
    description:
      'Where the last good lists and what they prove are kept, under names such as `eu-lotl.xml`, `AT.xml` and `issuers.json`. Processes and hosts may share it.',
  }),
  officialJournalFile: file.meta({
    description:
      'PEM of the certificates that the Official Journal has published for the list of the lists: the anchor of all lists.',
  }),
  address: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .optional()
    .meta({
      description:
        'Address of the list of the lists, `https://ec.europa.eu/tools/lotl/eu-lotl.xml`. Absent: nothing is fetched; `tallystick trust-list import` puts lists into the folder.',
    }),
  territories: z
    .array(z.string().regex(/^[A-Z]{2}$/, 'must be two capital letters, such as EL for Greece'))
    .min(1)
    .optional()
    .meta({ description: 'Territories whose lists count. Absent: all that the list of the lists names.' }),
  refreshSeconds: seconds.default(6 * 3600).meta({
    description: 'How often the lists are fetched. The law asks for a day at most.',
  }),
  maxAgeSeconds: seconds.default(3 * 86_400).meta({
    description:
      'How long a list counts after it was last fetched. Its own date of next update ends it earlier.',
  }),
  overdue: z.enum(['refuse', 'accept-and-report']).default('refuse').meta({
    description:
      'Certificates whose list counts no longer. `accept-and-report`: they are accepted as in its last good copy, and an event says so.',
  }),
  privateHosts: z.array(z.string()).default([]).meta({
    description: 'Hosts (`host` or `host:port`) of lists that may have private addresses.',
  }),
});

export type TrustedListsValue = z.infer<typeof trustedLists>;

/** One entry of `trust` of a configuration file. */
export const trustSchema = z
  .strictObject({
    profile: z.enum(['eu-qualified', 'uk-directory', 'own-ca']).meta({
      description: 'Which QCStatements and key usages a TPP certificate of these anchors must have.',
    }),
    anchorsFile: file.optional().meta({
      description:
        'PEM of the trust anchors; read again when it changes. This, or `lists` with profile `eu-qualified`.',
    }),
    lists: trustedLists.optional(),
    intermediatesFile: file.optional().meta({
      description:
        'PEM of issuing CAs, read again when it changes: TPPs often send their own certificate only.',
    }),
    allowSandboxAnchors: z.boolean().default(false).meta({
      description: 'Trusts the root of a sandbox, whose keys lie in a folder.',
    }),
    extendedKeyUsage: z.enum(['client-auth', 'client-or-server-auth']).default('client-auth').meta({
      description:
        '`client-or-server-auth` takes certificates without id-kp-clientAuth: QWACs of hierarchies that browsers trust.',
    }),
    policies: z
      .array(z.string().regex(/^[012](\.\d+)+$/, 'must be an object identifier, dotted'))
      .min(1)
      .optional()
      .meta({ description: 'Certificate policies of which a path must have one; absent: any or none.' }),
    tolerate: z.array(z.enum(TOLERANCES)).default([]).meta({
      description: 'Wrong encodings of QCStatements to let pass; each certificate with one is logged.',
    }),
    revocation: revocationPolicySchema,
  })
  .check(({ value, issues }) => {
    const fault = (path: string, message: string) =>
      issues.push({ code: 'custom', input: value, path: [path], message });
    if (value.anchorsFile === undefined && value.lists === undefined) {
      fault('anchorsFile', 'is required, or lists');
    }
    if (value.lists === undefined) return;
    if (value.anchorsFile !== undefined) fault('anchorsFile', 'is not possible with lists');
    if (value.intermediatesFile !== undefined) fault('intermediatesFile', 'is not possible with lists');
    if (value.profile !== 'eu-qualified') fault('lists', 'is possible with profile eu-qualified only');
  });

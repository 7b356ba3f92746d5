import { z } from 'zod';
import { ROLES } from '../../management/operators/operator.ts';

const file = z.string().min(1);

/** `management.openid` of a configuration file. */
export const openidSchema = z
  .strictObject({
    issuer: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .meta({ description: 'Issuer of the OpenID provider at which operators log in.' }),
    clientId: z.string().min(1).max(256).meta({
      description:
        'Of the console at the provider; its redirect URI is `management.url` with `/console/callback`.',
    }),
    clientSecretFile: file.optional().meta({ description: 'File with the secret of the client.' }),
    privateKeyFile: file.optional().meta({
      description: 'Private JSON Web Key of the client, for `private_key_jwt`, in place of a secret.',
    }),
    scope: z.string().min(1).max(256).default('openid').meta({ description: 'Scopes of the login.' }),
    nameClaim: z.string().min(1).max(64).default('sub').meta({
      description: 'Claim of the ID token that names the operator in the audit record.',
    }),
    rolesClaim: z.string().min(1).max(64).default('groups').meta({
      description: 'Claim of the ID token, a text or a list, whose values give roles.',
    }),
    roles: z.record(z.string().min(1).max(256), z.enum(ROLES)).meta({
      description: 'The role of each value of that claim. Without one of them there is no way in.',
    }),
    caFile: file.optional().meta({ description: 'PEM of the only CAs that are trusted for the provider.' }),
    allowPrivateAddress: z.boolean().default(false).meta({
      description: 'Whether the provider may be on this machine or in a private network.',
    }),
  })
  .superRefine(({ clientSecretFile, privateKeyFile, scope }, context) => {
    if ((clientSecretFile === undefined) === (privateKeyFile === undefined)) {
      const message = 'or privateKeyFile is required, and not both';
      context.addIssue({ code: 'custom', path: ['clientSecretFile'], message });
    }
    if (!scope.split(' ').includes('openid')) {
      context.addIssue({ code: 'custom', path: ['scope'], message: 'must have openid' });
    }
  });

import { z } from 'zod';

/** `grantManagement` of a configuration file. */
export const grantManagementSchema = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description:
        'Opens Grant Management for OAuth 2.0 (FAPI, ID1): `grant_id`, `grant_management_action`, and `/grants/<grant_id>` on the mTLS listener.',
    }),
    actionRequired: z.boolean().default(false).meta({
      description: 'Every authorization request must have a `grant_management_action`.',
    }),
  })
  .prefault({});

/** The grant management of a validated value; undefined where it is off. */
export function grantManagementOptions({
  enabled,
  actionRequired,
}: z.infer<typeof grantManagementSchema>): { readonly isActionRequired: boolean } | undefined {
  return enabled ? { isActionRequired: actionRequired } : undefined;
}

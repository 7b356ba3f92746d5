import { z } from 'zod';
import { PROFILE_NAMES } from '../authorization-server/profiles/profiles.ts';

const profileName = z.enum(PROFILE_NAMES);
const [DEFAULT = ''] = PROFILE_NAMES;

/** Which FAPI profiles clients may have. */
export const profilesSchema = z
  .strictObject({
    default: profileName.default(DEFAULT).meta({
      description: 'The FAPI profile of a client that names none: [profiles.md](profiles.md).',
    }),
    allowed: z.array(profileName).min(1).optional().meta({
      description: 'The profiles that a client may have; absent: the default alone.',
    }),
  })
  .prefault({})
  .refine(({ default: first, allowed = [first] }) => allowed.includes(first), {
    path: ['allowed'],
    error: 'must include the default',
  });

/** The names of the profiles that clients may have, the default first. */
export function allowedProfiles({
  default: first,
  allowed = [],
}: z.infer<typeof profilesSchema>): readonly string[] {
  return [...new Set([first, ...allowed])];
}

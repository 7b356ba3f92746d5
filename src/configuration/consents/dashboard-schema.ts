import { z } from 'zod';

/** `dashboard` of a configuration file. */
export const dashboardSchema = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description:
        'Opens `/consents` on the front channel: customers log in there, see what they have allowed, and end it. Off, because it is a public login of the bank.',
    }),
  })
  .prefault({});

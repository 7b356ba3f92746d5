import { z } from 'zod';

/** How a server or gateway stops. */
export const shutdownSchema = z
  .strictObject({
    noticeSeconds: z.number().min(0).max(60).default(2).meta({
      description:
        'From "not ready" until no more connections are accepted: longer than between two checks of a load balancer.',
    }),
    drainSeconds: z
      .number()
      .min(0)
      .max(60)
      .default(8)
      .meta({ description: 'How long requests in flight may then take.' }),
  })
  .prefault({});

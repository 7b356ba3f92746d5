import { z } from 'zod';

/** `selfCheck` of a configuration file. */
export const selfCheckSchema = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description:
        'Opens `GET /tpp/self-check` on the mTLS listener: which rules the certificate of the connection passes, which one refuses it, and what follows for its TPP. On, because every endpoint names the code and rule of a refusal anyway, and the answer has own and public data only; at most 10 a minute for one certificate and 300 in all, in each process ([registration.md](registration.md#what-the-server-makes-of-a-certificate)).',
    }),
  })
  .prefault({});

import { z } from 'zod';

const file = z.string().min(1);

/** The second certificate of a listener. */
export const secondPairSchema = z
  .strictObject({
    certificateFile: file.meta({
      description:
        'PEM of a second certificate with its intermediates: one of the two has an RSA key, the other an EC key. Each client gets the one that it can verify; the EC key costs less for each new connection.',
    }),
    privateKeyFile: file.meta({ description: 'PEM of its private key, not encrypted.' }),
  })
  .optional();

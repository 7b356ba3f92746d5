import { z } from 'zod';

/** The section `metrics`. */
export const metricsSchema = z
  .strictObject({
    tppLabel: z.boolean().default(false).meta({
      description:
        'Gives counters of events that name a TPP its authorization number as the label `tpp`: up to 5,000 series more a counter ([metrics.md](metrics.md)).',
    }),
  })
  .prefault({});

import { z } from 'zod';

const fact = z.object({
  name: z.string().meta({ description: 'The same in every language.' }),
  label: z.string(),
  value: z.string(),
});
const cluster = z.object({
  code: z.string().meta({ description: 'The same in every language.' }),
  title: z.string(),
  text: z.string(),
  permissions: z.array(z.string()),
});
const payment = z.object({
  amount: z
    .string()
    .optional()
    .meta({ description: 'Absent where the amounts are not known yet: the limits are facts.' }),
  payee: z.string(),
  payeeAccount: z.string(),
});

/** A request in plain words of one language, as our own pages have it. */
export const viewSchema = z
  .object({
    locale: z.string().meta({ description: 'Language and region of the words (RFC 5646).' }),
    kind: z.string(),
    question: z.string().meta({ description: 'The heading, as a question.' }),
    parts: z
      .array(
        z.object({
          kind: z.string(),
          title: z.string(),
          text: z.string().optional(),
          payment: payment
            .optional()
            .meta({ description: 'Amount and payee: the largest text of the page, in every step.' }),
          facts: z.array(fact),
          clusters: z.array(cluster).meta({ description: 'Kinds of data, each with its permissions.' }),
        }),
      )
      .meta({ description: 'Show all of them.' }),
  })
  .meta({ id: 'View', description: 'The request in plain words: everything that is asked for is named.' });

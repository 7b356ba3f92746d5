import { z } from 'zod';
import {
  COLOUR_NAMES,
  findContrastProblems,
} from '../../authorization-server/customer/pages/branding/colours.ts';

const colour = z
  .string()
  .regex(/^#([0-9a-f]{3}|[0-9a-f]{6})$/i, 'must be a colour such as #0b4f8a')
  .transform((hex) => (hex.length === 4 ? hex.replace(/[0-9a-f]/gi, '$&$&') : hex).toLowerCase());
const scheme = z.partialRecord(z.enum(COLOUR_NAMES), colour);
const locale = z.string().regex(/^[a-z]{2,3}(-[A-Z]{2})?$/, 'must be a language such as de or de-AT');
const file = z.string().min(1);

/** `pages` of a configuration file: how the pages for customers look, and in which languages they are. */
export const pagesSchema = z
  .strictObject({
    bankName: z.string().trim().min(1).max(80).optional().meta({
      description: 'The name of the bank on its pages; absent: that of its module.',
    }),
    logoFile: file.optional().meta({
      description:
        'Logo of the bank instead of its name: PNG or SVG of at most 256 kB. This and all files of `pages` are read at the start.',
    }),
    logoDarkFile: file.optional().meta({ description: 'The logo in dark mode; absent: the same.' }),
    colours: z
      .strictObject({ light: scheme.optional(), dark: scheme.optional() })
      .optional()
      .meta({
        description: `Colours (\`#rrggbb\`) in \`light\` and \`dark\` mode: ${COLOUR_NAMES.map((name) => `\`${name}\``).join(', ')}. A text with a contrast below 4.5 to what is behind it is refused (WCAG 2.2 §1.4.3).`,
      }),
    folder: file.optional().meta({
      description:
        'Folder with templates of the bank, which replace those of the same name, and `messages.<locale>.json`, whose sentences replace ours ([pages.md](pages.md)).',
    }),
    defaultLocale: locale.optional().meta({
      description:
        'Language and region for customers who prefer none of the languages on offer; absent: the first of `locales`, else `en-GB`.',
    }),
    locales: z.array(locale).min(1).max(50).optional().meta({
      description: 'The languages on offer; absent: `en`, `de`, `fr`, `es`, `pt`, and those of `folder`.',
    }),
    timeZone: z
      .string()
      .refine(isTimeZone, { error: 'must be a time zone such as Europe/Berlin' })
      .default('UTC')
      .meta({ description: 'Time zone of the dates on the pages (IANA).' }),
  })
  .superRefine(({ colours = {} }, context) => {
    for (const { path, message } of findContrastProblems(colours)) {
      context.addIssue({ code: 'custom', path: path.split('.').slice(1), message });
    }
  });

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    // RangeError: there is no such time zone.
    return false;
  }
}

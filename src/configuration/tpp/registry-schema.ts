import { z } from 'zod';
import { ukDirectory } from './uk-directory-schema.ts';

const file = z.string().min(1);
const seconds = z.int().positive();
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https URL' });

const ebaRegister = z.strictObject({
  folder: file.meta({
    description:
      'Where the last good copy of the EBA register is kept: `eba-register.json` and the ZIP that it is from. Processes and hosts may share it.',
  }),
  address: httpsUrl.optional().meta({
    description:
      'Address of the file metadata, `https://euclid.eba.europa.eu/register/api/filemetadata`. Absent: nothing is fetched; `tallystick registry import` reads a ZIP.',
  }),
  caFile: file.optional().meta({
    description:
      'PEM of the only CAs that are trusted for that host. The register has no signature: pin them where you can.',
  }),
  overridesFile: file.optional().meta({
    description:
      'YAML or JSON with `overrides`: organization identifiers whose number is not that of the register, the institution, and who found it.',
  }),
  refreshSeconds: seconds.default(6 * 3600).meta({
    description: 'How often the register is asked for a new copy. A new one is made each night.',
  }),
  maxAgeSeconds: seconds.default(3 * 86_400).meta({
    description: 'How long a copy counts after the register was last asked with success.',
  }),
  overdue: z.enum(['refuse', 'accept-and-report']).default('refuse').meta({
    description:
      'TPPs of a copy that counts no longer. `accept-and-report`: those that were authorised in it are accepted, and an event says so.',
  }),
  privateHosts: z.array(z.string()).default([]).meta({
    description: 'Hosts (`host` or `host:port`) of the register that may have private addresses.',
  }),
});

export type EbaRegisterValue = z.infer<typeof ebaRegister>;

/** `registry` of a configuration file. */
export const registrySchema = z
  .strictObject({
    file: file.optional().meta({
      description:
        "The bank's own list of TPPs, YAML or JSON; read again when it changes. About the TPPs in it no other source counts. This, or a public register.",
    }),
    pollSeconds: seconds.default(1).meta({ description: 'How often the files are checked for a change.' }),
    eba: ebaRegister.optional(),
    ukDirectory: ukDirectory.optional(),
    creditInstitutionsFile: file.optional().meta({
      description:
        'Banks that act as TPPs, in the form of the list of TPPs: they are not in the register of payment institutions.',
    }),
    whenSourcesDiffer: z.enum(['strictest', 'first']).default('strictest').meta({
      description:
        'Two public sources about one TPP. `strictest`: it may do what both allow. `first`: EBA register, UK directory, then credit institutions.',
    }),
  })
  .check(({ value, issues }) => {
    const { file, eba, ukDirectory: directory, creditInstitutionsFile } = value;
    if ([file, eba, directory, creditInstitutionsFile].some((source) => source !== undefined)) return;
    const message = 'is required, or eba, or ukDirectory';
    issues.push({ code: 'custom', input: value, path: ['file'], message });
  });

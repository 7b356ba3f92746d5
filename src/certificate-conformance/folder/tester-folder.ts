import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { invalidConfig } from '../../errors.ts';

/** The file of a prepared folder that describes it. */
export const TESTER_FILE = 'tester.json';

/** File names are relative to the folder. */
const testerSchema = z.strictObject({
  version: z.literal(1),
  /** ISO 8601: the end of the certificates. */
  notAfter: z.string(),
  rootFile: z.string(),
  intermediatesFile: z.string(),
  clientsFile: z.string(),
  /** Where CRLs and OCSP are served during a run, as the certificates name it. */
  revocationUrl: z.string(),
  revocationPort: z.int(),
  scope: z.string(),
  redirectUri: z.string(),
  nca: z.strictObject({ id: z.string(), name: z.string() }),
  /** Client ids by the names of the clients. */
  clients: z.record(z.string(), z.string()),
});

export type TesterFolder = Readonly<z.infer<typeof testerSchema>>;

/** Reads the description of a prepared folder. @throws ERR_CONFIG_INVALID when the folder is none */
export async function readTesterFolder(folder: string): Promise<TesterFolder> {
  const text = await readFile(join(folder, TESTER_FILE), 'utf8').catch((cause: unknown) => {
    const message = 'is not there: run `tallystick conformance certificates --prepare` for this folder first';
    throw invalidConfig(folder, [{ path: TESTER_FILE, message }], cause);
  });
  const result = testerSchema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw invalidConfig(folder, [
    { path: TESTER_FILE, message: 'is not of this version: prepare with --reset' },
  ]);
}

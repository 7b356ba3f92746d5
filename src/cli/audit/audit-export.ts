import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gatherEvidence } from '../../audit/evidence/evidence.ts';
import { type EvidenceFiles, evidenceFiles } from '../../audit/evidence/evidence-files.ts';
import { zipArchive } from '../../audit/evidence/zip-archive.ts';
import { systemClock } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import { type AuditFlags, openRecord } from './audit-record.ts';

export interface ExportFlags extends AuditFlags {
  readonly tpp: string;
  readonly from: Date;
  readonly to: Date;
  readonly out: string;
}

/** Writes what the record has about a TPP, for a supervisor, into a new folder or ZIP archive. */
export async function exportEvidence({ tpp, from, to, out, ...flags }: ExportFlags): Promise<void> {
  const { source, keys } = await openRecord(flags);
  const query = { tpp, from, to };
  const evidence = await gatherEvidence(source, query).finally(() => source.close());
  const publicKeys = [...keys.values()];
  const files = evidenceFiles({ query, evidence, publicKeys, exportedAt: systemClock.now() });
  await (out.endsWith('.zip') ? writeArchive(out, files) : writeFolder(out, files));
  console.log(`${evidence.lines.length} lines, ${evidence.certificates.size} certificates: ${out}`);
}

function writeArchive(out: string, files: EvidenceFiles): Promise<void> {
  return writeFile(out, zipArchive(files), { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    throw unusable(out, error);
  });
}

async function writeFolder(out: string, files: EvidenceFiles): Promise<void> {
  await mkdir(out, { recursive: true, mode: 0o700 });
  if ((await readdir(out)).length > 0) throw unusable(out, { code: 'the folder is not empty' });
  for (const [name, content] of files) {
    const file = join(out, name);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, content, { flag: 'wx', mode: 0o600 });
  }
}

function unusable(out: string, error: unknown) {
  const { code = 'it cannot be written' } = error as { readonly code?: string };
  return invalidConfig(out, [{ path: '--out', message: `must be new: ${code}` }], error);
}

import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** An institution as the EBA register writes it. */
export interface WrittenEntity {
  readonly type: string;
  /** `IE_CBI` */
  readonly owner: string;
  readonly entityCode: string;
  readonly name: string | readonly string[];
  readonly reference?: string;
  /** Days of authorisation and withdrawal in turns. */
  readonly days: readonly string[];
  /** Country → service codes. */
  readonly services: Readonly<Record<string, string | readonly string[]>>;
}

/** The record of an institution. */
export function entityRecord(entity: WrittenEntity): object {
  const { type, owner, entityCode, name, reference, days, services } = entity;
  return {
    CA_OwnerID: owner,
    EntityCode: entityCode,
    EntityType: type,
    Properties: [
      { ENT_NAM: name },
      ...(reference === undefined ? [] : [{ ENT_NAT_REF_COD: reference }]),
      { ENT_AUT: days },
    ],
    Services: Object.entries(services).map(([country, codes]) => ({ [country]: codes })),
    __EBA_EntityVersion: '20260814223344848',
  };
}

/** A bulk file of the register with its digest beside it, and the digest of the ZIP. */
export async function writeBulkFile(
  records: readonly object[],
): Promise<{ readonly zip: Buffer; readonly digest: string }> {
  const disclaimer = [{ disclaimer: { text: 'No legal significance.' } }];
  const json = Buffer.from(JSON.stringify([disclaimer, records]));
  return zipOf(json, createHash('sha256').update(json).digest('hex'));
}

/** The ZIP of a JSON file with the digest that is stated beside it. */
export async function zipOf(
  json: Buffer,
  stated: string,
): Promise<{ readonly zip: Buffer; readonly digest: string }> {
  const file = new ZipFile();
  file.addBuffer(json, 'PSDMD.json');
  file.addBuffer(Buffer.from(`${stated}  PSDMD.json\n`), 'PSDMD.json.sha256');
  file.end();
  const zip = await buffer(file.outputStream);
  return { zip, digest: createHash('sha256').update(zip).digest('hex') };
}

/** The file metadata, from which the address of the bulk file follows. */
export function fileMetadata(file: {
  readonly path: string;
  readonly context: string;
  readonly size: number;
  readonly digest: string;
  readonly at: Date;
}): object {
  const [weekday, month, day] = file.at
    .toUTCString()
    .split(/[ ,]+/)
    .map((part, at, all) => (at === 1 ? all[2] : at === 2 ? all[1] : part));
  const time = file.at.toISOString().slice(11, 19);
  return {
    latest_version_relative_zip_path: file.path,
    latest_version_relative_zip_size: String(file.size),
    sha256_hash: file.digest,
    timestamp: `${weekday} ${month} ${day} ${time} UTC ${file.at.getUTCFullYear()}`,
    golden_copy_path_context: file.context,
  };
}

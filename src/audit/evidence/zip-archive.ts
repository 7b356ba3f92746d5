import { crc32 } from 'node:zlib';

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_RECORD = 0x06054b50;
const VERSION = 20;
/** Names are in UTF-8 (APPNOTE 4.4.4, bit 11). */
const UTF8_FLAG = 0x0800;
/** 1980-01-01, the first date of the format: the files say themselves when they were made. */
const DATE = 0x21;

/** A ZIP archive (APPNOTE 6.3) of files, not compressed. */
export function zipArchive(files: ReadonlyMap<string, string | Buffer>): Buffer {
  const parts: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of files) {
    const [path, content] = [Buffer.from(name), typeof data === 'string' ? Buffer.from(data) : data];
    const facts = factsOf(content, path);
    const local = Buffer.concat([numbers([LOCAL_HEADER, 4]), facts, path, content]);
    const rest = numbers([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]);
    entries.push(numbers([CENTRAL_HEADER, 4], [VERSION, 2]), facts, rest, path);
    parts.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(entries);
  const end = numbers(
    [END_RECORD, 4],
    [0, 4],
    [files.size, 2],
    [files.size, 2],
    [directory.length, 4],
    [offset, 4],
    [0, 2],
  );
  return Buffer.concat([...parts, directory, end]);
}

/** The members that both headers have, up to the length of the extra field. */
function factsOf(content: Buffer, path: Buffer): Buffer {
  const { length } = content;
  const head = numbers([VERSION, 2], [UTF8_FLAG, 2], [0, 2], [0, 2], [DATE, 2], [crc32(content), 4]);
  return Buffer.concat([head, numbers([length, 4], [length, 4], [path.length, 2], [0, 2])]);
}

/** Numbers, each in so many bytes, the lowest first. */
function numbers(...values: readonly (readonly [value: number, bytes: number])[]): Buffer {
  return Buffer.concat(
    values.map(([value, bytes]) => {
      const buffer = Buffer.alloc(bytes);
      buffer.writeUIntLE(value, 0, bytes);
      return buffer;
    }),
  );
}

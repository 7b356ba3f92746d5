import type { AuditSegment } from './audit-source.ts';

const LINE_BREAK = 10;
/** No line is longer; a longer one is cut, and so is no line of a record. */
const MAX_LINE_BYTES = 1024 * 1024;

/** Called with the octets of each line, without the line break. */
export type LineVisitor = (line: Buffer) => void;

/** Passes each line of a part to `visit`. Returns the octets behind the last line break. */
export async function visitLines(
  segment: Pick<AuditSegment, 'chunks'>,
  visit: LineVisitor,
  onRead: (bytes: number) => void = () => undefined,
): Promise<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of segment.chunks()) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_BREAK); end !== -1; end = bytes.indexOf(LINE_BREAK, start)) {
      visit(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > MAX_LINE_BYTES) rest = rest.subarray(0, MAX_LINE_BYTES);
    onRead(chunk.length);
  }
  return rest;
}

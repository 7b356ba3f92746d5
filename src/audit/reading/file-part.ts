import { open } from 'node:fs/promises';

/** More than the last lines of a chain that another process ended. */
const PART_BYTES = 65_536;

/** The first or the last octets of a file. */
export async function readPart(file: string, from: 'start' | 'end'): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const position = from === 'start' ? 0 : Math.max(size - PART_BYTES, 0);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(PART_BYTES), { position });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

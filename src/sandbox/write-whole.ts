import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Another reader sees the old file or the new one, never a part. */
export async function writeWhole(file: string, content: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  const half = `${file}.${createHash('sha256').update(content).digest('hex').slice(0, 8)}.new`;
  await writeFile(half, content, { mode: 0o600 });
  await rename(half, file);
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder in which the sandboxes of this run find certificates and keys that are made once; removed at its end. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-made-'));
  process.env.SANDBOX_FOLDERS_OF_RUN = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

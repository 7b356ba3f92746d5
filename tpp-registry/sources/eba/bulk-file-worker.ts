import { parentPort, workerData } from 'node:worker_threads';
import { type BulkFile, BulkFileError, type BulkFileLimits, readBulkFile } from './bulk-file.ts';

/** The message to the thread. */
export interface BulkFileTask extends BulkFileLimits {
  readonly zip: Uint8Array;
}

/** Its only answer. */
export type BulkFileReply = { readonly file: BulkFile } | { readonly problem: string };

async function replyTo({ zip, ...limits }: BulkFileTask): Promise<BulkFileReply> {
  try {
    return { file: await readBulkFile(Buffer.from(zip.buffer, zip.byteOffset, zip.byteLength), limits) };
  } catch (error) {
    if (error instanceof BulkFileError) return { problem: error.message };
    throw error;
  }
}

parentPort?.postMessage(await replyTo(workerData));

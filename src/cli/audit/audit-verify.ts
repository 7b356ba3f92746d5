import type { Fault } from '../../audit/verification/fault.ts';
import { type Verification, verifyAudit } from '../../audit/verification/verification.ts';
import { mark, shown } from '../certificate/shown-text.ts';
import { type AuditFlags, openRecord } from './audit-record.ts';

export interface VerifyFlags extends AuditFlags {
  readonly since?: number;
  readonly json?: true;
}

const PROGRESS_MILLISECONDS = 200;
const MAX_PRINTED = 100;

/** Verifies a record and prints each fault with its place; true when there is none. */
export async function printVerification(flags: VerifyFlags): Promise<boolean> {
  const { source, keys, stored, isStoreAsked } = await openRecord(flags);
  const startedAt = performance.now();
  const verified = await verifyAudit({
    ...{ source, keys, stored, since: flags.since },
    ...(process.stderr.isTTY && flags.json !== true ? { onProgress: progress() } : {}),
  }).finally(() => source.close());
  const seconds = (performance.now() - startedAt) / 1000;
  if (flags.json === true) console.log(JSON.stringify({ ...verified, isStoreAsked, seconds }, undefined, 2));
  else printText(verified, { isStoreAsked, seconds });
  return verified.faults.length === 0;
}

function printText(
  { lines, chains, files, checkpoints, faults, open }: Verification,
  { isStoreAsked, seconds }: { readonly isStoreAsked: boolean; readonly seconds: number },
): void {
  for (const one of faults.slice(0, MAX_PRINTED)) console.log(faultText(one));
  if (faults.length > MAX_PRINTED) console.log(mark.bad(`and ${faults.length - MAX_PRINTED} more faults`));
  for (const { process, tornBytes } of open) {
    const torn = tornBytes === 0 ? '' : `, with ${tornBytes} octets of a torn line`;
    console.log(mark.faint(`  ${process} has no end${torn}: its process runs, or was killed`));
  }
  if (!isStoreAsked) {
    console.log(
      mark.faint('  the store was not asked: a cut at the very end, or the last file missing, is not seen'),
    );
  }
  const sign = faults.length === 0 ? mark.passed() : mark.refused();
  const found = faults.length === 0 ? 'whole' : mark.bad(`${faults.length} faults`);
  console.log(
    `${sign} ${found}: ${lines} lines of ${chains} processes in ${files} files, ${checkpoints} signed checkpoints, in ${seconds.toFixed(1)} s`,
  );
}

function faultText({ kind, process, file, line, message }: Fault): string {
  const place = [file ?? process, ...(line === undefined ? [] : [line])].join(':');
  return `${mark.refused()} ${shown(place)}: ${mark.bad(kind)}: ${shown(message)}`;
}

function progress(): (at: { readonly bytes: number; readonly ofBytes: number }) => void {
  let shownAt = 0;
  return ({ bytes, ofBytes }) => {
    const now = performance.now();
    const isDone = bytes >= ofBytes;
    if (!isDone && now - shownAt < PROGRESS_MILLISECONDS) return;
    shownAt = now;
    const megabytes = (bytes / 1_048_576).toFixed(0);
    const percent = ofBytes === 0 ? 100 : Math.min(Math.floor((bytes / ofBytes) * 100), 100);
    process.stderr.write(isDone ? '\r\u001b[K' : `\r\u001b[K${percent} % (${megabytes} MB)`);
  };
}

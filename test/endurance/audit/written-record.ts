import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { visitLines } from '../../../src/audit/reading/lines-of.ts';
import type { AuditSource } from '../../../src/audit/reading/audit-source.ts';
import type { Verification } from '../../../src/audit/verification/verification.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

/** What the record has about tokens. */
export interface WrittenTokens {
  /** The request of each answer with a token. */
  readonly issued: ReadonlySet<string>;
  /** Requests whose answer was held back. */
  readonly withheld: ReadonlySet<string>;
  /** Lines that the record says are missing. */
  readonly gaps: number;
}

export async function writtenTokens(source: AuditSource): Promise<WrittenTokens> {
  const [issued, withheld] = [new Set<string>(), new Set<string>()];
  let gaps = 0;
  for (const segment of await source.segments()) {
    await visitLines(segment, (bytes) => {
      const { event, requestId } = JSON.parse(bytes.toString());
      if (event === 'token.issued') issued.add(requestId);
      if (event === 'audit.withheld') withheld.add(requestId);
      if (event === 'audit.gap') gaps += 1;
    });
  }
  return { issued, withheld, gaps };
}

/** `tallystick audit verify` on a configuration. */
export async function verified(configuration: string): Promise<Verification> {
  const flags = ['audit', 'verify', '--config', configuration, '--json'];
  // Exit code 1 names faults, which are in the JSON too.
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...flags], {
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { readonly stdout: string }) => error);
  return JSON.parse(stdout);
}

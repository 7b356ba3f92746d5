import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { testFolder } from './audit-folder.ts';

const CHILD = fileURLToPath(new URL('./full-disk-child.ts', import.meta.url));

/** What the command prints with 64 kB under `/mnt`, or undefined where no user may mount. */
function onSmallDisk(command: string): string | undefined {
  try {
    execFileSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const script = `mount -t tmpfs -o size=64k tmpfs /mnt && ${command}`;
  return execFileSync('unshare', ['-Urm', 'sh', '-c', script], { encoding: 'utf8' });
}

describe('a disk that is full', () => {
  it('O4: refuses, says so, completes the torn line when there is room, and has no gap', (context) => {
    const text = onSmallDisk(`${process.execPath} ${CHILD} /mnt ${join(testFolder(), 'audit.key')}`);
    if (text === undefined) {
      context.skip('no user may mount here');
      return;
    }
    const { acknowledged, refused, hasRecovered, events, faults, open, lines } = JSON.parse(text);
    expect(refused).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(acknowledged).toBeGreaterThan(20);
    expect(hasRecovered).toBe(true);
    expect(events.filter((event: string) => event.startsWith('audit.u'))).toEqual(['audit.unavailable']);
    expect(events).not.toContain('audit.gap');
    expect({ faults, open }).toEqual({ faults: [], open: [] });
    // The line of the refused one is there as well, and the last one.
    expect(lines).toBeGreaterThanOrEqual(acknowledged + 4);
  });
});

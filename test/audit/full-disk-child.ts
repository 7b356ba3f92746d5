import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRefusal } from '../../src/errors.ts';
import { Audit } from '../../src/audit/audit.ts';
import { FolderOutput } from '../../src/audit/folder-output.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { verifyAudit } from '../../src/audit/verification/verification.ts';
import { systemClock } from '../../src/clock.ts';
import { logTo } from '../../src/events.ts';

/*
 * Writes a record to a disk of 64 kB until the disk is full, makes room, and writes on. Prints what was acknowledged, refused
 * and verified.
 */
const [, , disk = '', keyFile = ''] = process.argv;
const ballast = `${disk}/ballast`;
writeFileSync(ballast, Buffer.alloc(24_000));
const key = await openAuditKey(keyFile);
const folder = `${disk}/audit`;
const audit = await Audit.open({
  key,
  isRequired: true,
  clock: systemClock,
  openOutput: (process) =>
    FolderOutput.open({ folder, process, rotateBytes: 1_000_000, rotateSeconds: 3600, clock: systemClock }),
});
const events: string[] = [];
const log = logTo((name) => void events.push(name), audit.sink);
audit.start({
  log,
  store: { find: async () => undefined, putIfAbsent: async () => true, replace: async () => true } as never,
});
let acknowledged = 0;
let refused: string | undefined;
for (let count = 0; refused === undefined; count += 1) {
  log.emit('token.issued', {
    clientId: `client-${count}`,
    grantType: 'client_credentials',
    scope: 'x'.repeat(300),
  });
  try {
    await audit.durable();
    acknowledged += 1;
  } catch (error) {
    refused = isRefusal(error) ? error.code : String(error);
  }
}
rmSync(ballast);
const isRecovered = async () => {
  for (let tries = 0; tries < 100; tries += 1) {
    if (events.includes('audit.available')) return true;
    await sleep(50);
  }
  return false;
};
const hasRecovered = await isRecovered();
log.emit('token.issued', { clientId: 'afterwards', grantType: 'client_credentials' });
await audit.durable();
await audit.close();
const keys = new Map([[key.id, key.publicKey]]);
const { faults, open, lines } = await verifyAudit({
  source: new FolderSource(folder),
  keys,
  stored: undefined,
});
console.log(JSON.stringify({ acknowledged, refused, hasRecovered, events, faults, open, lines }));

import { describe, expect, it } from 'vitest';
import { Audit } from '../../src/audit/audit.ts';
import type { AuditBatch, AuditOutput } from '../../src/audit/audit-output.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { systemClock } from '../../src/clock.ts';
import { isRefusal } from '../../src/errors.ts';
import { type EventFields, logTo } from '../../src/events.ts';
import { join } from 'node:path';
import { openAuditFolder, testFolder } from './audit-folder.ts';

/** An output that can be out of order: full, or without an answer. */
class FakeOutput implements AuditOutput {
  state: 'good' | 'full' | 'stuck' = 'good';
  text = '';

  async append({ text }: AuditBatch): Promise<void> {
    if (this.state === 'full') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    if (this.state === 'stuck') await new Promise(() => undefined);
    this.text += text;
  }
  async showLife(): Promise<void> {}
  async keepCertificate(): Promise<void> {}
  async close(): Promise<void> {}
  get events(): readonly string[] {
    const lines = this.text.split('\n').slice(0, -1);
    return lines.map((line) => (JSON.parse(line) as { event: string }).event);
  }
}

async function openFailing(isRequired = true) {
  const output = new FakeOutput();
  const key = await openAuditKey(join(testFolder(), 'audit.key'));
  const audit = await Audit.open({ key, isRequired, clock: systemClock, openOutput: async () => output });
  const events: (readonly [string, EventFields])[] = [];
  const log = logTo((name, _definition, fields) => void events.push([name, fields]), audit.sink);
  const { store } = await openAuditFolder();
  audit.start({ log, store });
  return { audit, output, log, events };
}
const isUnavailable = (error: unknown) => isRefusal(error, 'ERR_AUDIT_UNAVAILABLE');

describe('an audit record that cannot be written', () => {
  it('O4: refuses while the disk is full, raises an alarm, and recovers by itself', async () => {
    const { audit, output, log, events } = await openFailing();
    output.state = 'full';
    log.emit('token.issued', { clientId: 'one' });
    await expect(audit.durable()).rejects.toSatisfy(isUnavailable);
    expect(() => audit.assertAvailable()).toThrow(expect.toSatisfy(isUnavailable));
    expect(events.map(([name]) => name)).toContain('audit.unavailable');
    output.state = 'good';
    const outage = ['audit.unavailable', 'audit.available'];
    await expect.poll(() => output.events.slice(0, 4)).toEqual(['audit.opened', 'token.issued', ...outage]);
    expect(() => audit.assertAvailable()).not.toThrow();
    await audit.durable();
    await audit.close();
  });

  it('O4: refuses when the output does not answer, instead of waiting for it', async () => {
    const { audit, output, log } = await openFailing();
    await audit.durable();
    output.state = 'stuck';
    log.emit('token.issued', { clientId: 'one' });
    await expect(audit.durable()).rejects.toSatisfy(isUnavailable);
  });

  it('O4: bounds what waits, and says how many lines are missing and since when', async () => {
    const { audit, output, log, events } = await openFailing();
    output.state = 'full';
    const scope = 'x'.repeat(500);
    for (let count = 0; count < 10_000; count += 1) log.emit('token.issued', { clientId: 'one', scope });
    await expect.poll(() => events.map(([name]) => name)).toContain('audit.unavailable');
    output.state = 'good';
    await expect.poll(() => events.map(([name]) => name), { timeout: 5000 }).toContain('audit.gap');
    await audit.durable();
    expect(output.text.length).toBeLessThan(5 * 1024 * 1024);
    const lines = output.text.split('\n').slice(0, -1);
    const gap = lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'audit.gap');
    const counted = ['token.issued', 'audit.unavailable', 'audit.available'];
    const [emitted, written] = [events.map(([name]) => name), output.events].map(
      (names) => names.filter((name) => counted.includes(name)).length,
    );
    expect(emitted).toBe(10_002);
    expect(gap).toMatchObject({ count: 10_002 - (written ?? 0), since: expect.stringMatching(/^2/) });
    await audit.close();
  });

  it('O4: where the record is not required, requests go on', async () => {
    const { audit, output, log } = await openFailing(false);
    output.state = 'full';
    log.emit('token.issued', { clientId: 'one' });
    await audit.durable();
    audit.assertAvailable();
    output.state = 'good';
    await audit.close();
  });
});

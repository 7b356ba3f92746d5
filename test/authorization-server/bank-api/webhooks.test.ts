import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose';
import { Agent, fetch } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebhookDelivery } from '../../../src/authorization-server/bank-api/webhooks/webhook-delivery.ts';
import { WebhookPlace } from '../../../src/authorization-server/bank-api/webhooks/webhook-place.ts';
import { CONSENT_CHANGED } from '../../../src/authorization-server/bank-api/webhooks/webhook.ts';
import type { FeedEntry } from '../../../src/consent/change-feed.ts';
import { OpenBankingError } from '../../../src/errors.ts';
import { type EventFields, type EventName, logTo } from '../../../src/events.ts';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { openTestStores } from './stores.ts';
import { type BankCaller, type BankPrograms, createBankPrograms } from './bank-programs.ts';
import { hour, PAYMENT } from './details.ts';

describe('a webhook of the bank', () => {
  let programs: BankPrograms;
  let sandbox: TestSandbox;
  let core: BankCaller;
  let receiver: Server;
  const received: { readonly token: string; readonly type: string | undefined }[] = [];
  let statuses: number[] = [];

  const receive = (request: IncomingMessage, response: ServerResponse) => {
    let token = '';
    request.on('data', (chunk: Buffer) => {
      token += chunk.toString();
    });
    request.on('end', () => {
      received.push({ token, type: request.headers['content-type'] });
      response.writeHead(statuses.shift() ?? 202).end();
    });
  };

  beforeAll(async () => {
    programs = await createBankPrograms();
    receiver = createServer(receive);
    await new Promise((resolve) => receiver.listen(0, '127.0.0.1', () => resolve(undefined)));
    const { port } = receiver.address() as AddressInfo;
    sandbox = await startTestSandbox({
      amendConfiguration: (own, { caFile }) => ({
        ...own,
        bankApi: {
          ...programs.section,
          webhooks: [{ url: `https://localhost:${port}/changes`, caFile, allowPrivateAddress: true }],
        },
      }),
    });
    const { certificateFile, keyFile } = pathsOf(sandbox.folder).server;
    receiver.setSecureContext({ cert: await readFile(certificateFile), key: await readFile(keyFile) });
    core = await programs.caller(programs.certificates.core, sandbox.description);
  });
  afterAll(async () => {
    await core?.close();
    receiver?.closeAllConnections();
    receiver?.close();
    await sandbox?.stop();
    await programs?.remove();
  });

  it('receives each change as a security event token that the keys of the server prove (RFC 8417, RFC 8935)', async () => {
    // The first tries fail: the changes come all the same, and in their order.
    statuses = [503, 429];
    const body = {
      reference: 'berlin-group',
      clientId: 'money-one-mtls',
      details: [PAYMENT],
      expiresAt: hour(1),
    };
    const headers = { 'idempotency-key': randomUUID() };
    const { consentId } = (await core('/v1/consents', { body, headers })).json;
    await core(`/v1/consents/${consentId}/revoke`, { body: {} });
    await vi.waitUntil(() => received.length >= 4, { timeout: 20_000 });
    expect(received.every(({ type }) => type === 'application/secevent+jwt')).toBe(true);
    const dispatcher = new Agent({ connect: { ca: await readFile(sandbox.description.caFile, 'utf8') } });
    const { issuer } = sandbox.description;
    const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`), {
      [customFetch]: ((url: string) => fetch(url, { dispatcher })) as never,
    });
    const proved = await Promise.all(received.map(({ token }) => jwtVerify(token, keys, { issuer })));
    await dispatcher.close();
    expect(decodeProtectedHeader(received[0]?.token ?? '')).toMatchObject({
      typ: 'secevent+jwt',
      alg: 'ES256',
    });
    const changes = proved.map(({ payload }) => ({
      jti: payload.jti,
      to: (payload.events as Record<string, FeedEntry>)[CONSENT_CHANGED]?.to,
      sub: payload.sub_id,
    }));
    const sub = { format: 'opaque', id: consentId };
    expect(changes.map(({ to }) => to)).toEqual([
      'awaiting-authorisation',
      'awaiting-authorisation',
      'awaiting-authorisation',
      'revoked',
    ]);
    expect(changes.every((one) => JSON.stringify(one.sub) === JSON.stringify(sub))).toBe(true);
    // A repetition is known by its jti.
    expect(new Set(changes.slice(0, 3).map(({ jti }) => jti)).size).toBe(1);
    const [event] = await sandbox.events({ event: 'bank.webhook.failed' });
    expect(event).toMatchObject({ url: expect.stringMatching(/^localhost:\d+$/), seconds: 1 });
  });
});

describe.each(openTestStores)('the delivery by two processes, on $name', ({ open }) => {
  let stores: Awaited<ReturnType<typeof open>>;
  const deliveries: WebhookDelivery[] = [];
  const events: { readonly name: EventName; readonly fields: EventFields }[] = [];
  const log = logTo((name, _definition, fields) => void events.push({ name, fields }));
  const clock = { now: () => new Date(performance.timeOrigin + performance.now()) };
  beforeEach(async () => {
    stores = await open();
    events.length = 0;
  });
  afterEach(async () => {
    await Promise.all(deliveries.splice(0).map((one) => one.close()));
    await stores.close();
  });

  const feedOf = (count: number): FeedEntry[] =>
    Array.from({ length: count }, (_, at) => ({
      number: at + 1,
      consentId: `consent-${at % 3}`,
      at: clock.now().toISOString(),
      to: 'authorised',
      by: { kind: 'bank' },
    }));
  const start = (
    process: number,
    feed: readonly FeedEntry[],
    deliver: (entry: FeedEntry) => Promise<void>,
  ) => {
    const store = stores.all[process];
    if (store === undefined) throw new Error('there are two processes');
    const delivery = new WebhookDelivery({
      webhook: { host: 'bank.example', deliver },
      place: new WebhookPlace({ url: 'https://bank.example/', store, clock, secret: Buffer.alloc(32, 1) }),
      consents: {
        readChanges: async ({ after, limit }) => {
          const entries = feed.filter(({ number }) => number > after).slice(0, limit);
          return { entries, next: entries.at(-1)?.number ?? after };
        },
      },
      log,
      lookSeconds: 0.05,
      longestPauseSeconds: 0.05,
    });
    deliveries.push(delivery);
    return delivery;
  };

  it('is made by one at a time, once, and in order for each consent; the other goes on when the first ends', async () => {
    const feed = feedOf(30);
    const by: (readonly [process: number, number: number])[] = [];
    const deliver = (process: number) => async (entry: FeedEntry) => void by.push([process, entry.number]);
    const first = start(0, feed, deliver(0));
    start(1, feed, deliver(1));
    await vi.waitUntil(() => by.length >= 30, { timeout: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(by).toHaveLength(30);
    const [process] = by[0] ?? [];
    expect(by.every(([one]) => one === process)).toBe(true);
    for (const rest of [0, 1, 2]) {
      const ofConsent = by.map(([, number]) => number).filter((number) => (number - 1) % 3 === rest);
      expect(ofConsent).toEqual(ofConsent.toSorted((a, b) => a - b));
    }
    await deliveries[process ?? 0]?.close();
    expect(first).toBeDefined();
    feed.push({ ...(feed[0] as FeedEntry), number: 31 });
    await vi.waitUntil(() => by.length === 31, { timeout: 10_000 });
    expect(by.at(-1)).toEqual([1 - (process ?? 0), 31]);
  });

  it('begins again where the receiver has not acknowledged, and leaves out what it refuses for good', async () => {
    const feed = feedOf(3);
    const tries: number[] = [];
    start(0, feed, async ({ number }) => {
      tries.push(number);
      if (number !== 2) return;
      throw new OpenBankingError('ERR_OUTBOUND_ANSWER', { host: 'bank.example', problem: 'no', status: 400 });
    });
    await vi.waitUntil(() => tries.at(-1) === 3 && tries.filter((number) => number === 2).length >= 12, {
      timeout: 15_000,
    });
    const failed = events.filter(({ name }) => name === 'bank.webhook.failed');
    expect(failed).toHaveLength(11);
    expect(failed[0]?.fields).toMatchObject({ count: 2, url: 'bank.example' });
    const dropped = events.filter(({ name }) => name === 'bank.webhook.dropped');
    expect(dropped).toMatchObject([{ fields: { count: 2, consentId: 'consent-1', status: 400 } }]);
  });

  it('never leaves out a change that the receiver could not take: 30 failures of other kinds', async () => {
    let failures = 0;
    const feed = feedOf(1);
    const delivered: number[] = [];
    start(0, feed, async ({ number }) => {
      failures += 1;
      if (failures <= 30) {
        const status = [500, 503, 429, 408][failures % 4] ?? 500;
        throw new OpenBankingError('ERR_OUTBOUND_ANSWER', { host: 'bank.example', problem: 'no', status });
      }
      delivered.push(number);
    });
    await vi.waitUntil(() => delivered.length > 0, { timeout: 15_000 });
    expect(events.some(({ name }) => name === 'bank.webhook.dropped')).toBe(false);
  });
});

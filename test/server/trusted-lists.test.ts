import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { outboundSchema } from '../../src/configuration/outbound-schema.ts';
import { revocationPolicySchema } from '../../src/configuration/tpp/revocation-schema.ts';
import type { TrustedListsValue } from '../../src/configuration/tpp/trust-schema.ts';
import { type EventFields, type EventName, logTo } from '../../src/events.ts';
import { openFollowedList } from '../../src/files/followed-list.ts';
import { type Authority, createAuthority, type IssueOptions } from '../../src/sandbox/pki/pki.ts';
import type { WrittenState } from '../../src/sandbox/registers/trusted-list-writer.ts';
import { openTrust } from '../../src/server/registers/opened-trust.ts';
import { TrustedListUpkeep } from '../../src/server/registers/trusted-list-upkeep.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { createTppAuthenticator } from '../../src/tpp/authenticate.ts';
import { createRegistry, parseTppRecords } from '../../tpp-registry/index.ts';
import { DAY, days, listOfLists, nationalList, operator } from '../trusted-lists/written-lists.ts';
import { NOW } from '../x509/certificate-factory.ts';

const PERIOD = { notBefore: days(-100), notAfter: days(300) };
const GOOD: IssueOptions = {
  profile: 'qwac',
  subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
  authorizationNumber: '123456',
  nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
  roles: ['PSP_AI'],
  ...PERIOD,
};
const TPPS = {
  tpps: [
    {
      authorizationNumber: 'PSDGB-FCA-123456',
      legalName: 'Acme Ltd',
      nca: { id: 'GB-FCA' },
      country: 'GB',
      roles: ['PSP_AI'],
      status: 'active',
      statusSince: '2026-01-31',
    },
  ],
};
const journal = operator('journal');
const [first, second] = [operator('first'), operator('second')];
const granted: WrittenState = { status: 'granted', since: days(-300) };
const withdrawn: WrittenState = { status: 'withdrawn', since: days(-1) };

type Answer = Buffer | ((response: ServerResponse) => void);
const answers = new Map<string, Answer>();
const asked: string[] = [];
const server = createServer((request, response) => {
  const path = request.url ?? '';
  asked.push(path);
  const answer = answers.get(path);
  if (answer === undefined) response.writeHead(404).end();
  else if (Buffer.isBuffer(answer)) response.end(answer);
  else answer(response);
});
let base = '';
let root: Authority;
let issuing: Authority;
let tpp: Buffer;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  root = await createAuthority({ name: 'Root', ...PERIOD });
  issuing = await createAuthority({ name: 'Issuing', parent: root, ...PERIOD });
  tpp = certificateDer(await issuing.issue(GOOD));
});
afterAll(() => server.close());

let folder = '';
let now = NOW;
const clock = { now: () => now };
const events: { readonly name: EventName; readonly fields: EventFields }[] = [];
const log = logTo((name, _definition, fields) => events.push({ name, fields }));
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-lists-'));
  now = NOW;
  events.length = 0;
  asked.length = 0;
  answers.clear();
  await writeFile(join(folder, 'journal.pem'), pem(journal.der));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await rm(folder, { recursive: true });
});

const certificateDer = ({ certificatePem }: { readonly certificatePem: string }) =>
  Buffer.from(new X509Certificate(certificatePem).raw);
const pem = (der: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;

const issuer = (...states: readonly [WrittenState, ...WrittenState[]]) => ({
  provider: 'Issuing TSP',
  name: 'Issuing',
  certificates: [certificateDer(issuing)],
  states,
});
const national = (sequenceNumber: number, ...states: readonly [WrittenState, ...WrittenState[]]) =>
  nationalList(first, { sequenceNumber, services: [issuer(...states)] });
const lotl = (sequenceNumber = 100, by = first) =>
  listOfLists(journal, {
    sequenceNumber,
    lists: [{ territory: 'AA', by, location: `${base}/AA.xml` }],
  });

function publish(list: Answer = national(5, granted), listOfThem: Answer = lotl()) {
  answers.set('/eu-lotl.xml', listOfThem);
  answers.set('/AA.xml', list);
}

const settings = (change: Partial<TrustedListsValue> = {}): TrustedListsValue => ({
  folder: join(folder, 'lists'),
  officialJournalFile: join(folder, 'journal.pem'),
  address: `${base}/eu-lotl.xml`,
  refreshSeconds: 3600,
  maxAgeSeconds: 3 * 86_400,
  overdue: 'refuse',
  privateHosts: [new URL(base).host],
  ...change,
});

/** A trust profile of the lists, and the decision about the TPP by it. */
async function opened(change: Partial<TrustedListsValue> = {}) {
  const lists = settings(change);
  const trust = await openTrust(
    {
      profile: 'eu-qualified',
      lists,
      allowSandboxAnchors: false,
      extendedKeyUsage: 'client-auth',
      tolerate: [],
      revocation: revocationPolicySchema.parse({ mode: 'none' }),
    },
    { place: 'trust[0]', outbound: outboundSchema.parse({}), log, clock, openList: openFollowedList },
  );
  closing.push(() => trust.close());
  const records = parseTppRecords(JSON.stringify(TPPS), { source: 'test' });
  const authenticator = createTppAuthenticator({
    trust: [trust],
    authorisationStatus: new AuthorisationStatus({ registry: createRegistry(records, NOW) }),
    revocation: { check: () => undefined },
    clock,
  });
  const parts = { place: 'trust[0].lists', proxy: undefined, clock, log };
  const upkeep = await TrustedListUpkeep.open(lists, parts);
  closing.push(() => upkeep.close());
  return {
    trust,
    decide: () =>
      authenticator.authenticate({ der: tpp }).then(
        () => 'accepted',
        (error: { code: string }) => error.code,
      ),
    evaluate: () => authenticator.evaluate({ der: tpp }),
    renew: async () => {
      await upkeep.refreshNow();
      await trust.reload();
    },
  };
}

const faults = () =>
  events
    .filter(({ name }) => name === 'trusted-list.not-renewed')
    .map(({ fields }) => {
      const { code, details } = fields.error as { code: string; details: { problem?: string } };
      return details.problem === undefined ? code : `${code}: ${details.problem}`;
    });

describe('a trust profile of trusted lists', () => {
  it('accepts a certificate of an issuer that is granted, and names the list in its explanation', async () => {
    publish();
    const { decide, evaluate, trust } = await opened();
    expect(await decide()).toBe('accepted');
    expect((await evaluate()).steps).toContainEqual({
      rule: 'issuer qualified',
      clause: 'TS 119 615 §4.4',
      found: 'AA 5: Issuing',
    });
    // The service itself is the anchor, not the root above it.
    expect(trust.current.anchors.map(({ der }) => der)).toEqual([certificateDer(issuing)]);
    expect((await readdir(join(folder, 'lists'))).sort()).toEqual(['AA.xml', 'eu-lotl.xml', 'issuers.json']);
  });

  it('refuses new tokens within one refresh after a service was withdrawn, and says so once', async () => {
    publish();
    const { decide, renew } = await opened();
    expect(await decide()).toBe('accepted');
    publish(national(6, withdrawn, granted));
    await renew();
    expect(await decide()).toBe('ERR_CERT_ISSUER_NOT_QUALIFIED');
    const said = events.filter(({ name }) => name === 'trusted-list.issuer.withdrawn');
    expect(said.map(({ fields }) => fields)).toEqual([{ kind: 'AA', issuer: 'Issuing' }]);
    await renew();
    expect(events.filter(({ name }) => name === 'trusted-list.issuer.withdrawn')).toHaveLength(1);
  });

  it('refuses a certificate that was issued before its service was granted, or after it was withdrawn', async () => {
    publish(national(5, { ...granted, since: days(-50) }));
    expect(await (await opened()).decide()).toBe('ERR_CERT_ISSUER_NOT_QUALIFIED');
  });

  it('refuses the certificate once a service that is listed to end tomorrow has ended, without another copy', async () => {
    publish(national(5, { ...withdrawn, since: days(1) }, granted));
    const { decide } = await opened();
    expect(await decide()).toBe('accepted');
    now = days(1);
    expect(await decide()).toBe('ERR_CERT_ISSUER_NOT_QUALIFIED');
  });

  describe.each<[fault: string, publishFault: () => void, said: RegExp]>([
    ['is not there', () => answers.delete('/AA.xml'), /ERR_OUTBOUND_ANSWER/],
    [
      'stops in the middle',
      () =>
        publish((response) => {
          response
            .writeHead(200, { 'content-length': '100000' })
            .write(national(6, withdrawn, granted).subarray(0, 900));
          setTimeout(() => response.destroy(), 20);
        }),
      /ERR_OUTBOUND_FAILED/,
    ],
    [
      'is cut, with a length that says so',
      () => publish(national(6, withdrawn, granted).subarray(0, 2000)),
      /ERR_TRUSTED_LIST_MALFORMED/,
    ],
    [
      'never ends',
      () =>
        publish((response) => {
          const chunk = Buffer.alloc(1 << 20, ' ');
          const more = () => {
            while (!response.destroyed && response.write(chunk));
          };
          response.on('drain', more);
          more();
        }),
      /ERR_OUTBOUND_ANSWER: the answer is larger/,
    ],
    [
      'was changed',
      () =>
        publish(
          Buffer.from(
            national(6, granted).toString('utf8').replace('Svcstatus/granted', 'Svcstatus/withdrawn'),
          ),
        ),
      /ERR_TRUSTED_LIST_SIGNATURE: a digest/,
    ],
    [
      'is signed by a stranger',
      () => publish(nationalList(second, { sequenceNumber: 6, services: [issuer(withdrawn, granted)] })),
      /ERR_TRUSTED_LIST_SIGNER/,
    ],
    ['goes back', () => publish(national(4, withdrawn, granted)), /ERR_TRUSTED_LIST_ROLLBACK/],
    [
      'is another one of the same number, issued earlier',
      () =>
        publish(
          nationalList(first, {
            sequenceNumber: 5,
            issuedAt: days(-20),
            services: [issuer(withdrawn, granted)],
          }),
        ),
      /ERR_TRUSTED_LIST_ROLLBACK/,
    ],
    [
      'is of another territory',
      () =>
        publish(
          nationalList(first, { territory: 'BB', sequenceNumber: 6, services: [issuer(withdrawn, granted)] }),
        ),
      /ERR_TRUSTED_LIST_MALFORMED: it is a list of type .* for BB/,
    ],
    [
      'is of an unknown version',
      () =>
        publish(
          nationalList(first, { version: 7, sequenceNumber: 6, services: [issuer(withdrawn, granted)] }),
        ),
      /ERR_TRUSTED_LIST_MALFORMED: its version is 7/,
    ],
    [
      'has a list of the lists that a stranger signed',
      () => publish(undefined, listOfLists(second, { sequenceNumber: 101 })),
      /ERR_TRUSTED_LIST_SIGNER/,
    ],
    [
      'has a list of the lists that goes back',
      () => publish(national(5, granted), lotl(99)),
      /ERR_TRUSTED_LIST_ROLLBACK/,
    ],
  ])('whose list %s', (_fault, publishFault, said) => {
    it('goes on with the last good copy, and says why', async () => {
      publish();
      const { decide, renew } = await opened();
      publishFault();
      await renew();
      expect(await decide()).toBe('accepted');
      expect(faults()).toContainEqual(expect.stringMatching(said));
      const kept = JSON.parse(await readFile(join(folder, 'lists', 'issuers.json'), 'utf8'));
      expect([kept.listOfLists, ...kept.lists].filter(({ problem }) => problem !== undefined)).toHaveLength(
        1,
      );
    });
  });

  it('drops a list whose signer the list of the lists names no longer', async () => {
    publish();
    const { decide, renew } = await opened();
    answers.set('/eu-lotl.xml', lotl(101, second));
    await renew();
    expect(await decide()).toBe('ERR_CERT_UNTRUSTED');
    expect(faults()).toContainEqual(expect.stringMatching(/ERR_TRUSTED_LIST_SIGNER/));
  });

  it('takes the new list of a new signer', async () => {
    publish();
    const { decide, renew } = await opened();
    publish(nationalList(second, { sequenceNumber: 6, services: [issuer(granted)] }), lotl(101, second));
    await renew();
    expect(await decide()).toBe('accepted');
    expect(faults()).toEqual([]);
  });

  it('follows a pivot beside the list of the lists, and no other address that it names', async () => {
    const names = [
      `${base}/eu-lotl-pivot-90.xml`,
      'http://192.0.2.1/eu-lotl-pivot-91.xml',
      `${base}/notice.html`,
    ];
    answers.set('/eu-lotl-pivot-90.xml', listOfLists(journal, { next: second, sequenceNumber: 90 }));
    const lists = [{ territory: 'AA', by: first, location: `${base}/AA.xml` }];
    publish(national(5, granted), listOfLists(second, { informationUris: names, lists }));
    expect(await (await opened()).decide()).toBe('accepted');
    expect(asked.sort()).toEqual(['/AA.xml', '/eu-lotl-pivot-90.xml', '/eu-lotl.xml']);
  });

  it('starts from what was proved while the source is away', async () => {
    publish();
    await (await opened()).trust.close();
    answers.clear();
    asked.length = 0;
    const { decide } = await opened();
    expect(await decide()).toBe('accepted');
    expect(asked).toEqual([]);
  });

  it('does not start when nothing was ever proved', async () => {
    await expect(opened()).rejects.toMatchObject({ code: 'ERR_OUTBOUND_ANSWER' });
  });

  it('makes what was proved anew when its file is no good', async () => {
    publish();
    await (await opened()).trust.close();
    await writeFile(join(folder, 'lists', 'issuers.json'), '{"format":1}');
    expect(await (await opened()).decide()).toBe('accepted');
  });

  it.each<[overdue: 'refuse' | 'accept-and-report', outcome: string]>([
    ['refuse', 'ERR_TRUSTED_LIST_OVERDUE'],
    ['accept-and-report', 'accepted'],
  ])('overdue: %s', async (overdue, outcome) => {
    publish();
    const { decide } = await opened({ overdue });
    now = new Date(NOW.getTime() + 3 * DAY);
    expect(await decide()).toBe('accepted');
    now = new Date(NOW.getTime() + 3 * DAY + 1);
    expect(await decide()).toBe(outcome);
    await decide();
    const said = events.filter(({ name, fields }) => name === 'trusted-list.overdue' && fields.kind === 'AA');
    expect(said.map(({ fields }) => fields)).toEqual([
      { kind: 'AA', since: days(3).toISOString(), outcome: overdue },
    ]);
  });

  it('ends a list at its next update, however lately it was fetched', async () => {
    publish(nationalList(first, { nextUpdate: days(1), services: [issuer(granted)] }));
    const { decide } = await opened();
    now = days(1);
    expect(await decide()).toBe('accepted');
    now = new Date(days(1).getTime() + 1);
    expect(await decide()).toBe('ERR_TRUSTED_LIST_OVERDUE');
  });

  it('reads lists that an operator has put into the folder, and asks no address', async () => {
    publish();
    const lists = settings();
    const online = await TrustedListUpkeep.open(lists, {
      place: 'trust[0].lists',
      proxy: undefined,
      clock,
      log,
    });
    await online.close();
    await rm(join(folder, 'lists', 'issuers.json'));
    asked.length = 0;
    const { decide, renew } = await opened({ address: undefined as never });
    expect(await decide()).toBe('accepted');
    await writeFile(join(folder, 'lists', 'AA.xml'), national(6, withdrawn, granted));
    await renew();
    expect(await decide()).toBe('ERR_CERT_ISSUER_NOT_QUALIFIED');
    await writeFile(join(folder, 'lists', 'AA.xml'), national(4, granted));
    await renew();
    expect(await decide()).toBe('ERR_CERT_ISSUER_NOT_QUALIFIED');
    expect(asked).toEqual([]);
  });

  it('is fetched by one of several processes', async () => {
    publish((response) => setTimeout(() => response.end(national(5, granted)), 300));
    const parts = { place: 'trust[0].lists', proxy: undefined, clock: { now: () => new Date() }, log };
    const open = () => TrustedListUpkeep.open(settings(), parts);
    const upkeeps = await Promise.all([open(), open(), open()]);
    for (const one of upkeeps) closing.push(() => one.close());
    expect(asked.filter((path) => path === '/AA.xml')).toHaveLength(1);
  });

  it('counts the lists of stated territories only, and says which are missing', async () => {
    publish();
    const { decide } = await opened({ territories: ['BB'] });
    expect(await decide()).toBe('ERR_CERT_UNTRUSTED');
    expect(faults()).toContainEqual(expect.stringMatching(/does not name the territory BB/));
  });

  it('keeps serving while lists are proved: the event loop is not held (N15)', async () => {
    publish();
    const { renew } = await opened();
    const turns = vi.fn();
    const timer = setInterval(turns, 1);
    await renew();
    clearInterval(timer);
    expect(turns.mock.calls.length).toBeGreaterThan(10);
  });
});

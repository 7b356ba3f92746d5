import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { outboundSchema } from '../../src/configuration/outbound-schema.ts';
import { registrySchema } from '../../src/configuration/tpp/registry-schema.ts';
import { type EventFields, type EventName, logTo } from '../../src/events.ts';
import { openFollowedList } from '../../src/files/followed-list.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { entityRecord, fileMetadata, writeBulkFile, zipOf } from '../../src/sandbox/registers/eba-writer.ts';
import { EbaUpkeep } from '../../src/server/registers/eba-upkeep.ts';
import { openRegistry } from '../../src/server/registers/opened-registry.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { Trail } from '../../src/tpp/decision.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const DAY = 86_400_000;
const FIRE = {
  type: 'PSD_PI',
  owner: 'IE_CBI',
  entityCode: 'IE_CBI!C58301',
  name: 'Fire',
  days: ['2018-07-02'],
  services: { IE: ['PS_070', 'PS_080'], ES: ['PS_080'] },
};
const TPP = { authorizationNumber: 'PSDIE-CBI-C58301', nca: 'IE-CBI' };

type Answer = Buffer | string | ((response: ServerResponse) => void);
const answers = new Map<string, Answer>();
const asked: string[] = [];
let server: Server;
let base = '';
let ca = '';
beforeAll(async () => {
  const authority = await createAuthority({ name: 'Register CA', ...PERIOD });
  const own = await authority.issue({
    profile: 'server',
    subject: { commonName: 'localhost' },
    dnsNames: ['localhost'],
    ...PERIOD,
  });
  ca = authority.certificatePem;
  server = createServer({ cert: own.certificatePem, key: own.privateKeyPem }, (request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(404).end();
    else if (typeof answer === 'function') answer(response);
    else response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let folder = '';
let now = NOW;
const clock = { now: () => now };
const events: { readonly name: EventName; readonly fields: EventFields }[] = [];
const log = logTo((name, _definition, fields) => events.push({ name, fields }));
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-eba-'));
  now = NOW;
  events.length = 0;
  asked.length = 0;
  answers.clear();
  await writeFile(join(folder, 'ca.pem'), ca);
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await rm(folder, { recursive: true });
});

/** Serves a copy of the register; returns the parts of its metadata. */
async function publish(
  records: readonly object[] = [entityRecord(FIRE)],
  at = new Date('2026-11-29T00:00:16Z'),
  change: Readonly<Record<string, unknown>> = {},
) {
  const { zip, digest } = await writeBulkFile(records);
  const path = `${at.toISOString().slice(0, 10)}/PSDMD.zip`;
  const context = `${base}/downloads/`;
  answers.set(`/downloads/${path}`, zip);
  const metadata = { ...fileMetadata({ path, context, size: zip.length, digest, at }), ...change };
  answers.set('/filemetadata', JSON.stringify(metadata));
  return { zip, path: `/downloads/${path}` };
}

const settings = (change: object = {}) =>
  registrySchema.parse({
    eba: {
      folder: join(folder, 'eba'),
      address: `${base}/filemetadata`,
      caFile: join(folder, 'ca.pem'),
      privateHosts: [new URL(base).host],
      ...change,
    },
  });

async function opened(registry = settings(), hostCountry: string | undefined = 'ES') {
  const outbound = outboundSchema.parse({});
  const open = await openRegistry(
    { registry, outbound, hostCountry },
    { clock, log, openList: openFollowedList },
  );
  closing.push(() => open.close());
  const status = new AuthorisationStatus({ registry: open, hostCountry });
  const upkeep = registry.eba && (await EbaUpkeep.open(registry.eba, { proxy: undefined, clock, log }));
  if (upkeep !== undefined) closing.push(() => upkeep.close());
  return {
    registry: open,
    decide: (tpp = TPP) => {
      const decided = status.decide(tpp);
      return 'code' in decided ? decided.code : [...decided.roles].join(' ');
    },
    explain: (tpp = TPP) => {
      const trail = new Trail();
      try {
        status.verifyRegistration(tpp, trail);
      } catch {}
      return trail.steps.map(({ rule, found }) => `${rule}: ${found}`);
    },
    renew: async () => {
      await upkeep?.refreshNow();
      const { reloadFollowedFiles } = await import('../../src/files/followed-file.ts');
      await reloadFollowedFiles();
    },
  };
}

const faults = () =>
  events
    .filter(({ name }) => name === 'eba-register.not-renewed')
    .map(({ fields }) => {
      const { code, details } = fields.error as { code: string; details: { problem?: string } };
      return details.problem === undefined ? code : `${code}: ${details.problem}`;
    });

describe('a registry of the EBA register', () => {
  it('lets a TPP act in its roles of the host country, and names record, copy and digest', async () => {
    await publish();
    const { decide, explain } = await opened();
    expect(decide()).toBe('PSP_AI');
    expect(explain()[0]).toMatch(
      /^sources of the registry: EBA register: Fire, active, PSP_AI \(PSD_PI IE_CBI!C58301, copy of 2026-11-29, SHA-256 [0-9a-f]{16}\)$/,
    );
    expect((await readdir(join(folder, 'eba'))).sort()).toEqual(['eba-register.json', 'eba-register.zip']);
  });

  it('refuses a passport that does not cover the host country', async () => {
    await publish();
    expect((await opened(settings(), 'FR')).decide()).toBe('ERR_TPP_NOT_PASSPORTED');
  });

  it('ends a TPP that the newest copy withdraws', async () => {
    await publish();
    const { decide, renew } = await opened();
    expect(decide()).toBe('PSP_AI');
    await publish(
      [entityRecord({ ...FIRE, days: ['2018-07-02', '2026-11-29'] })],
      new Date('2026-11-29T10:00:00Z'),
    );
    await renew();
    expect(decide()).toBe('ERR_TPP_NOT_AUTHORIZED');
  });

  it('refuses two institutions with one number', async () => {
    await publish([
      entityRecord(FIRE),
      entityRecord({ ...FIRE, entityCode: 'IE_CBI!X', reference: 'C-58301' }),
    ]);
    expect((await opened()).decide({ ...TPP, authorizationNumber: 'PSDIE-CBI-C 58301' })).toBe(
      'ERR_TPP_AMBIGUOUS',
    );
  });

  it('says that it knows no TPP, and that another authority has it', async () => {
    await publish();
    const { decide, explain } = await opened();
    expect(decide({ ...TPP, authorizationNumber: 'PSDIE-CBI-C1' })).toBe('ERR_TPP_NOT_REGISTERED');
    expect(decide({ ...TPP, nca: 'ES-BE' })).toBe('ERR_TPP_NCA_MISMATCH');
    expect(explain({ ...TPP, authorizationNumber: 'PSDIE-CBI-C1' })[0]).toBe(
      'sources of the registry: none knows the TPP',
    );
  });

  it('asks for the ZIP only when it is another one', async () => {
    const { path } = await publish();
    const { renew, decide } = await opened();
    now = new Date(NOW.getTime() + 2 * DAY);
    await renew();
    expect(asked.filter((one) => one === path)).toHaveLength(1);
    // The same copy, asked for again, counts as new.
    now = new Date(NOW.getTime() + 4 * DAY);
    expect(decide()).toBe('PSP_AI');
  });

  const withdrawn = () => [entityRecord({ ...FIRE, days: ['2018-07-02', '2026-11-29'] })];
  const LATER = new Date('2026-11-29T10:00:00Z');
  describe.each<[fault: string, publishFault: () => Promise<unknown> | unknown, said: RegExp]>([
    ['is away', () => answers.clear(), /ERR_OUTBOUND_ANSWER: the answer has status 404/],
    ['has metadata that are not JSON', () => answers.set('/filemetadata', '<html>'), /metadata is not JSON/],
    [
      'has metadata without a digest',
      () => publish(withdrawn(), LATER, { sha256_hash: 'none' }),
      /no good sha256_hash/,
    ],
    [
      'has metadata without a time',
      () => publish(withdrawn(), LATER, { timestamp: 'today' }),
      /no good timestamp/,
    ],
    [
      'names a ZIP of another host',
      () => publish(withdrawn(), LATER, { golden_copy_path_context: 'https://evil.example/' }),
      /ZIP of another host/,
    ],
    [
      'names a ZIP without TLS',
      () => publish(withdrawn(), LATER, { golden_copy_path_context: base.replace('https', 'http') }),
      /ZIP of another host/,
    ],
    [
      'names another digest',
      () => publish(withdrawn(), LATER, { sha256_hash: '0'.repeat(64) }),
      /digest of the ZIP is not/,
    ],
    ['goes back', () => publish(withdrawn(), new Date('2026-11-28T00:00:00Z')), /ERR_REGISTER_ROLLBACK/],
    [
      'has a ZIP whose JSON has another digest',
      async () => {
        const { path } = await publish(withdrawn(), LATER);
        const bad = await zipOf(Buffer.from(JSON.stringify([[], withdrawn()])), '1'.repeat(64));
        answers.set(path, bad.zip);
        answers.set(
          '/filemetadata',
          JSON.stringify({ ...JSON.parse(String(answers.get('/filemetadata'))), sha256_hash: bad.digest }),
        );
      },
      /digest of its JSON/,
    ],
    [
      'stops in the middle',
      async () => {
        const { path, zip } = await publish(withdrawn(), LATER);
        answers.set(path, (response) => {
          response.writeHead(200, { 'content-length': String(zip.length) }).write(zip.subarray(0, 100));
          setTimeout(() => response.destroy(), 20);
        });
      },
      /ERR_OUTBOUND_FAILED/,
    ],
    [
      'sends 10 GB',
      async () => {
        const { path } = await publish(withdrawn(), LATER);
        answers.set(path, (response) => {
          response.writeHead(200, { 'content-length': String(10 ** 10) }).write(Buffer.alloc(65_536));
        });
      },
      /ERR_OUTBOUND_ANSWER: the answer is larger/,
    ],
    [
      'has lost all institutions',
      () => publish([entityRecord({ ...FIRE, type: 'PSD_AG' })], LATER),
      /no institution/,
    ],
  ])('whose newest copy %s', (_fault, publishFault, said) => {
    it('goes on with the last good one, and says why', async () => {
      await publish();
      const { decide, renew } = await opened();
      await publishFault();
      await renew();
      expect(decide()).toBe('PSP_AI');
      expect(faults()).toEqual([expect.stringMatching(said)]);
    });
  });

  it('trusts no other CA for the host of the register than the stated one', async () => {
    await publish();
    const other = await createAuthority({ name: 'Other CA', ...PERIOD });
    await writeFile(join(folder, 'ca.pem'), other.certificatePem);
    await expect(opened()).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED' });
  });

  it.each<[overdue: string, outcome: string]>([
    ['refuse', 'ERR_REGISTRY_OVERDUE'],
    ['accept-and-report', 'PSP_AI'],
  ])('overdue: %s', async (overdue, outcome) => {
    await publish();
    const { decide } = await opened(settings({ overdue }));
    now = new Date(NOW.getTime() + 3 * DAY);
    expect(decide()).toBe('PSP_AI');
    now = new Date(NOW.getTime() + 3 * DAY + 1);
    expect(decide()).toBe(outcome);
    decide();
    const said = events.filter(({ name }) => name === 'registry.overdue').map(({ fields }) => fields);
    expect(said).toEqual([{ kind: 'EBA register', since: '2026-12-02T12:00:00.000Z', outcome: overdue }]);
  });

  it('starts from its last copy while the register is away', async () => {
    await publish();
    const first = await opened();
    await first.registry.close();
    answers.clear();
    asked.length = 0;
    expect((await opened()).decide()).toBe('PSP_AI');
    expect(asked).toEqual([]);
  });

  it('is asked by one of several processes', async () => {
    const { path, zip } = await publish();
    answers.set(path, (response) => setTimeout(() => response.end(zip), 300));
    const { eba } = settings();
    if (eba === undefined) throw new Error('a register');
    const parts = { proxy: undefined, clock: { now: () => new Date() }, log };
    const upkeeps = await Promise.all([1, 2, 3].map(() => EbaUpkeep.open(eba, parts)));
    for (const one of upkeeps) closing.push(async () => one?.close());
    expect(asked.filter((one) => one === path)).toHaveLength(1);
  });

  it('is not possible without the country of the bank', async () => {
    await publish();
    const outbound = outboundSchema.parse({});
    const attempt = openRegistry(
      { registry: settings(), outbound, hostCountry: undefined },
      { clock, log, openList: openFollowedList },
    );
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('several sources', () => {
  const own = (change: object) => ({
    authorizationNumber: 'PSDIE-CBI-C58301',
    legalName: 'Fire, by hand',
    nca: { id: 'IE-CBI' },
    country: 'IE',
    roles: ['PSP_PI'],
    passportedCountries: ['ES'],
    status: 'active',
    statusSince: '2026-01-31',
    ...change,
  });
  const list = async (name: string, ...tpps: readonly object[]) => {
    const file = join(folder, name);
    await writeFile(file, JSON.stringify({ tpps }));
    return file;
  };

  it("lets the bank's own list decide alone about the TPPs in it", async () => {
    await publish();
    const file = await list('own.json', own({}));
    const { decide, explain } = await opened({ ...settings(), file });
    expect(decide()).toBe('PSP_PI');
    expect(explain()[0]).toContain(
      "the bank's own list: Fire, by hand, active, PSP_PI, decides; EBA register: Fire",
    );
    await writeFile(file, JSON.stringify({ tpps: [own({ status: 'suspended' })] }));
    const { reloadFollowedFiles } = await import('../../src/files/followed-file.ts');
    await reloadFollowedFiles();
    expect(decide()).toBe('ERR_TPP_NOT_AUTHORIZED');
  });

  it.each<[rule: 'strictest' | 'first', institution: object, outcome: string]>([
    ['strictest', { roles: ['PSP_AI', 'PSP_PI'] }, 'PSP_AI'],
    ['strictest', { roles: ['PSP_PI'] }, ''],
    ['strictest', { status: 'withdrawn', roles: ['PSP_AI'] }, 'ERR_TPP_NOT_AUTHORIZED'],
    ['strictest', { roles: ['PSP_AI'], passportedCountries: ['FR'] }, 'ERR_TPP_NOT_PASSPORTED'],
    ['first', { status: 'withdrawn', roles: ['PSP_AI'] }, 'PSP_AI'],
  ])('that differ, by the rule %s: %j', async (whenSourcesDiffer, institution, outcome) => {
    await publish();
    const creditInstitutionsFile = await list('banks.json', own(institution));
    const { decide, registry } = await opened({ ...settings(), creditInstitutionsFile, whenSourcesDiffer });
    expect(decide()).toBe(outcome);
    const read = () => registry.find(TPP.authorizationNumber, TPP.nca);
    expect(read()).toBe(read());
  });

  it('lets a bank act that the register of payment institutions has not', async () => {
    await publish();
    const creditInstitutionsFile = await list('banks.json', own({ authorizationNumber: 'PSDIE-CBI-BANK1' }));
    const { decide } = await opened({ ...settings(), creditInstitutionsFile });
    expect(decide({ authorizationNumber: 'PSDIE-CBI-BANK1', nca: 'IE-CBI' })).toBe('PSP_PI');
    expect(decide()).toBe('PSP_AI');
  });
});

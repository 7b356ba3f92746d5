import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { outboundSchema } from '../../src/configuration/outbound-schema.ts';
import { registrySchema } from '../../src/configuration/tpp/registry-schema.ts';
import { type EventFields, type EventName, logTo } from '../../src/events.ts';
import { reloadFollowedFiles } from '../../src/files/followed-file.ts';
import { openFollowedList } from '../../src/files/followed-list.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import {
  createUkDirectory,
  KEY_STORE_PATH,
  participantResource,
  SCIM_PATH,
  TOKEN_PATH,
  type WrittenParticipant,
} from '../../src/sandbox/registers/uk-directory.ts';
import { openRegistry } from '../../src/server/registers/opened-registry.ts';
import { UkDirectoryUpkeep } from '../../src/server/registers/uk-directory-upkeep.ts';
import { AuthorisationStatus } from '../../src/tpp/authorisation-status.ts';
import { Trail } from '../../src/tpp/decision.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const DAY = 86_400_000;
const SOFTWARE = '9ZzFFBxSLGEjPZogRAbvFd';
const ACME: WrittenParticipant = {
  organisationId: '0015800001HQQrZAAX',
  name: 'Acme Accounts Ltd',
  status: 'Active',
  authorityId: 'FCAGBR',
  registrationId: '123456',
  authorisations: [{ role: 'AISP' }, { role: 'PISP' }, { role: 'CBPII', active: false }],
  softwareStatements: [{ id: SOFTWARE, roles: ['AISP'] }],
};
/** An organisation without a number of the FCA, as real pre-production certificates name it. */
const UNNUMBERED: WrittenParticipant = {
  ...ACME,
  organisationId: '0015800001HQQrZAAY',
  authorityId: 'OBGBR',
  registrationId: 'Unknown0015800001HQQrZAAY',
  authorisations: [{ role: 'CBPII' }],
};
const TPP = { authorizationNumber: 'PSDGB-FCA-123456', nca: 'GB-FCA' };

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signingKeyPem = signing.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicKeyPem = signing.publicKey.export({ type: 'spki', format: 'pem' }).toString();

let participants: readonly WrittenParticipant[] = [];
/** In place of the answer of the directory, by the path. */
const answers = new Map<string, (response: ServerResponse, url: URL) => void>();
const asked: string[] = [];
let now = NOW;
const clock = { now: () => now };
let server: Server;
let base = '';
let ca = '';
let transport = { certificatePem: '', privateKeyPem: '' };
let stranger = transport;
let certificate = '';
beforeAll(async () => {
  const authority = await createAuthority({ name: 'Directory CA', ...PERIOD });
  const bank = {
    profile: 'qwac' as const,
    subject: { commonName: 'Bank' },
    authorizationNumber: '1',
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    ...PERIOD,
  };
  const own = await authority.issue({
    profile: 'server',
    subject: { commonName: 'localhost' },
    dnsNames: ['localhost'],
    ...PERIOD,
  });
  transport = await authority.issue(bank);
  stranger = await (await createAuthority({ name: 'Other CA', ...PERIOD })).issue(bank);
  certificate = transport.certificatePem.replaceAll(/-----[A-Z ]+-----|\s/g, '');
  ca = authority.certificatePem;
  let directory: RequestListener = () => {};
  server = createServer(
    { cert: own.certificatePem, key: own.privateKeyPem, ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const url = new URL(request.url ?? '/', base);
      asked.push(`${request.method} ${url.pathname}`);
      const answer = answers.get(url.pathname);
      if (answer === undefined) directory(request, response);
      else answer(response, url);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
  const client = { id: SOFTWARE, publicKeyPem };
  directory = createUkDirectory({ origin: base, client, participants: () => participants, clock });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let folder = '';
const events: { readonly name: EventName; readonly fields: EventFields }[] = [];
const log = logTo((name, _definition, fields) => events.push({ name, fields }));
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-uk-'));
  now = NOW;
  participants = [ACME, UNNUMBERED];
  events.length = 0;
  asked.length = 0;
  answers.clear();
  const files = {
    'ca.pem': ca,
    'transport.pem': transport.certificatePem,
    'transport.key': transport.privateKeyPem,
    'signing.key': signingKeyPem,
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await rm(folder, { recursive: true });
});

const settings = (connection: object = {}, change: object = {}) =>
  registrySchema.parse({
    ukDirectory: {
      folder: join(folder, 'uk'),
      connection: {
        address: `${base}${SCIM_PATH}`,
        tokenEndpoint: `${base}${TOKEN_PATH}`,
        clientId: SOFTWARE,
        signingKeyFile: join(folder, 'signing.key'),
        signingKeyId: 'key-1',
        certificateFile: join(folder, 'transport.pem'),
        privateKeyFile: join(folder, 'transport.key'),
        caFile: join(folder, 'ca.pem'),
        privateHosts: [new URL(base).host],
        ...connection,
      },
      ...change,
    },
  });

async function opened(registry = settings(), hostCountry = 'GB') {
  const open = await openRegistry(
    { registry, outbound: outboundSchema.parse({}), hostCountry },
    { clock, log, openList: openFollowedList },
  );
  closing.push(() => open.close());
  const status = new AuthorisationStatus({ registry: open, hostCountry });
  const { ukDirectory } = registry;
  if (ukDirectory === undefined) throw new Error('a directory');
  const upkeep = await UkDirectoryUpkeep.open(ukDirectory, { proxy: undefined, clock, log });
  closing.push(async () => upkeep?.close());
  return {
    registry: open,
    decide: (tpp: { authorizationNumber: string; nca: string } = TPP) => {
      const decided = status.decide(tpp);
      return 'code' in decided ? decided.code : [...decided.roles].join(' ');
    },
    explain: () => {
      const trail = new Trail();
      try {
        status.verifyRegistration(TPP, trail);
      } catch {}
      return String(trail.steps[0]?.found);
    },
    renew: async () => {
      await upkeep?.refreshNow();
      await reloadFollowedFiles();
    },
  };
}

const faults = () =>
  events
    .filter(({ name }) => name === 'uk-directory.not-renewed')
    .map(({ fields }) => {
      const { code, details } = fields.error as { code: string; details: { problem?: string } };
      return `${code}: ${details.problem}`;
    });
const list = (page: object) => (response: ServerResponse) => void response.end(JSON.stringify(page));
const PARTICIPANTS = `${SCIM_PATH}/OBThirdPartyProviders`;

describe('a registry of the UK directory', () => {
  it('lets a TPP act in the roles of its authority, and names organisation, software, date and digest', async () => {
    const { decide, explain } = await opened();
    expect(decide()).toBe('PSP_AI PSP_PI');
    expect(decide({ authorizationNumber: 'PSDGB-OB-Unknown0015800001HQQrZAAY', nca: 'GB-FCA' })).toBe(
      'PSP_IC',
    );
    expect(explain()).toMatch(
      /^UK directory: Acme Accounts Ltd, active, PSP_AI PSP_PI \(organisation 0015800001HQQrZAAX, software 9ZzFFBxSLGEjPZogRAbvFd, copy of 2026-11-29, SHA-256 [0-9a-f]{16}\)$/,
    );
    expect(asked).toEqual([`POST ${TOKEN_PATH}`, `GET ${PARTICIPANTS}`]);
  });

  it('reads many pages, with one access token', async () => {
    const others = Array.from({ length: 180 }, (_, at) => ({
      ...ACME,
      organisationId: `001580000000000${String(at).padStart(3, '0')}`,
      registrationId: String(700_000 + at),
    }));
    participants = [...others, ACME];
    const { decide, registry } = await opened();
    expect(registry.list()).toHaveLength(181);
    expect(decide()).toBe('PSP_AI PSP_PI');
    expect(asked.filter((one) => one.startsWith('POST'))).toHaveLength(1);
    expect(asked.filter((one) => one.startsWith('GET'))).toHaveLength(4);
  });

  it.each(['Withdrawn', 'Revoked', 'Requested', 'anything'])(
    'ends a TPP whose organisation becomes %s',
    async (status) => {
      const { decide, renew } = await opened();
      participants = [{ ...ACME, status }, UNNUMBERED];
      await renew();
      expect(decide()).toBe('ERR_TPP_NOT_AUTHORIZED');
    },
  );

  it.each<[reason: string, change: Partial<WrittenParticipant>, outcome: string]>([
    ['another country of an authorisation', { authorisations: [{ role: 'AISP', memberState: 'IE' }] }, ''],
    ['an authorisation of the Crown Dependencies', { authorisations: [{ role: 'CD_AISP' }] }, ''],
    ['an authorisation that is not active', { authorisations: [{ role: 'AISP', active: false }] }, ''],
    ['roles that only its software claims', { authorisations: [{ role: 'PISP' }] }, 'PSP_PI'],
    ['a role that is named like a member of all objects', { authorisations: [{ role: 'constructor' }] }, ''],
  ])('grants nothing for %s', async (_reason, change, outcome) => {
    participants = [{ ...ACME, ...change }];
    expect((await opened()).decide()).toBe(outcome);
  });

  it('decides nothing about banks outside the United Kingdom, or TPPs of other countries', async () => {
    participants = [{ ...ACME, authorityId: 'CBIIRL', registrationId: 'C1' }, UNNUMBERED];
    const { decide } = await opened(settings(), 'IE');
    expect(decide({ authorizationNumber: 'PSDIE-CBI-C1', nca: 'IE-CBI' })).toBe('ERR_TPP_NOT_REGISTERED');
    expect(decide({ authorizationNumber: 'PSDGB-OB-Unknown0015800001HQQrZAAY', nca: 'GB-FCA' })).toBe(
      'ERR_TPP_NOT_PASSPORTED',
    );
  });

  it('names what grants nothing in one event: an unknown role, two organisations with one number', async () => {
    participants = [
      ACME,
      { ...ACME, organisationId: '0015800001HQQrZAAZ' },
      { ...UNNUMBERED, authorisations: [{ role: 'AISP' }, { role: 'EVERYTHING' }] },
    ];
    const { decide } = await opened();
    expect(decide()).toBe('ERR_TPP_AMBIGUOUS');
    expect(decide({ authorizationNumber: 'PSDGB-OB-Unknown0015800001HQQrZAAY', nca: 'GB-FCA' })).toBe(
      'PSP_AI',
    );
    const said = events.filter(({ name }) => name === 'uk-directory.incomplete').map(({ fields }) => fields);
    expect(said).toEqual([
      {
        count: 2,
        problems: [
          { path: '', message: '0015800001HQQrZAAY: the role "EVERYTHING" is unknown and grants nothing' },
          {
            path: '',
            message: 'PSDGB-FCA-123456 is the number of 0015800001HQQrZAAX and 0015800001HQQrZAAZ: refused',
          },
        ],
      },
    ]);
  });

  it('takes what both versions of the claims of an authority have, and both statuses', async () => {
    const both = (claims: object, status: string) => ({
      ...participantResource(ACME),
      'urn:openbanking:authorisationdomainstatus:1.0': {
        Status: [
          { AuthorizationDomain: 'PSD2', Status: status },
          { AuthorizationDomain: 'CD', Status: 'Withdrawn' },
        ],
      },
      'urn:trustframework:competentauthorityclaims:1.1': {
        AuthorisationAuthorities: [
          { AuthorityId: 'FCA', RegistrationId: '1', X509OrganisationIdentifier: ['PSDGB-FCA-999'] },
        ],
        Authorisations: [{ MemberState: 'GB', Active: 'true', AuthorizationDomain: 'PSD2', ...claims }],
      },
    });
    let resource = both({ Role: 'AISP' }, 'active');
    answers.set(PARTICIPANTS, (response) => list({ totalResults: 1, Resources: [resource] })(response));
    const { decide, renew } = await opened();
    expect(decide()).toBe('PSP_AI');
    expect(decide({ ...TPP, authorizationNumber: 'PSDGB-FCA-999' })).toBe('PSP_AI');
    resource = both({ Role: 'AISP' }, 'Revoked');
    await renew();
    expect(decide()).toBe('ERR_TPP_NOT_AUTHORIZED');
  });

  it('keeps keys and certificates of software statements; a key store that is away keeps the former', async () => {
    const statement = {
      id: SOFTWARE,
      roles: ['AISP'],
      keys: [{ kty: 'RSA', kid: 'k1', use: 'tls', x5c: [certificate] }],
    };
    participants = [
      { ...ACME, softwareStatements: [statement, { ...statement, id: 'other', active: false }] },
    ];
    const { renew } = await opened(settings({ keyStoreAddress: `${base}${KEY_STORE_PATH}` }));
    const der = Buffer.from(certificate, 'base64');
    const thumbprint = createHash('sha256').update(der).digest('base64url');
    const kept = async () => JSON.parse(await readFile(join(folder, 'uk', 'uk-directory.json'), 'utf8'));
    const expected = [{ id: SOFTWARE, roles: ['PSP_AI'], keys: [{ kid: 'k1', use: 'tls', thumbprint }] }];
    expect((await kept()).participants[0].softwareStatements).toEqual(expected);
    answers.set(`${KEY_STORE_PATH}/${ACME.organisationId}/${SOFTWARE}.jwks`, (response) =>
      response.writeHead(500).end(),
    );
    await renew();
    expect((await kept()).participants[0].softwareStatements).toEqual(expected);
    expect((await kept()).state.problems).toEqual([`the key store of software ${SOFTWARE} cannot be read`]);
  });

  const page = (change: object) =>
    list({
      totalResults: 1,
      startIndex: 1,
      Resources: [participantResource({ ...ACME, status: 'Withdrawn' })],
      ...change,
    });
  it.each<[fault: string, path: string, answer: (response: ServerResponse, url: URL) => void, said: RegExp]>([
    ['is away', TOKEN_PATH, (response) => response.destroy(), /ERR_OUTBOUND_FAILED/],
    [
      'goes away between token and list',
      PARTICIPANTS,
      (response) => response.destroy(),
      /ERR_OUTBOUND_FAILED/,
    ],
    ['has a fault', PARTICIPANTS, (response) => response.writeHead(503).end(), /ERR_OUTBOUND_ANSWER.* 503/],
    [
      'refuses the assertion',
      TOKEN_PATH,
      (response) => response.writeHead(400).end('{"error":"invalid_client"}'),
      /ERR_REGISTER_TOKEN: the answer has status 400, invalid_client/,
    ],
    [
      'gives no token',
      TOKEN_PATH,
      list({ token_type: 'Bearer' }),
      /ERR_REGISTER_TOKEN: the answer has no bearer/,
    ],
    [
      'refuses the token',
      PARTICIPANTS,
      (response) => response.writeHead(401).end(),
      /ERR_REGISTER_TOKEN: the answer has status 401/,
    ],
    ['answers with a page of HTML', PARTICIPANTS, (response) => response.end('<html>'), /a page is not JSON/],
    ['answers with another object', PARTICIPANTS, list({ detail: 'no' }), /no list of SCIM: totalResults/],
    ['has lost all participants', PARTICIPANTS, list({ totalResults: 0 }), /no participant that can be read/],
    ['has none that can be read', PARTICIPANTS, page({ Resources: [{}] }), /no participant that can be read/],
    ['states more than it has', PARTICIPANTS, page({ totalResults: 2 }), /a page begins at 1 instead of 2/],
    [
      'never ends',
      PARTICIPANTS,
      (response, url) => {
        const startIndex = Number(url.searchParams.get('startIndex'));
        const organisationId = `org${startIndex}`;
        const Resources = [participantResource({ ...ACME, organisationId, registrationId: organisationId })];
        list({ totalResults: startIndex + 1, startIndex, Resources })(response);
      },
      /the number of participants changed/,
    ],
    ['states a million participants', PARTICIPANTS, page({ totalResults: 1_000_000 }), /more than 20000/],
    [
      'names an organisation twice',
      PARTICIPANTS,
      page({ totalResults: 2, Resources: [participantResource(ACME), participantResource(ACME)] }),
      /names the organisation 0015800001HQQrZAAX twice/,
    ],
    [
      'ends with an empty page',
      PARTICIPANTS,
      (response, url) =>
        page(
          url.searchParams.get('startIndex') === '1'
            ? { totalResults: 2 }
            : { totalResults: 2, startIndex: 2, Resources: [] },
        )(response),
      /a page is empty after 1 of 2/,
    ],
    [
      'sends 10 GB',
      PARTICIPANTS,
      (response) => {
        response.writeHead(200, { 'content-length': String(10 ** 10) }).write(Buffer.alloc(65_536));
      },
      /ERR_OUTBOUND_ANSWER: the answer is larger/,
    ],
    [
      'sends 10 GB without a length',
      PARTICIPANTS,
      (response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        };
        response.on('drain', more);
        more();
      },
      /ERR_OUTBOUND_ANSWER: the answer is larger/,
    ],
    [
      'stops in the middle',
      PARTICIPANTS,
      (response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"totalResults"');
        setTimeout(() => response.destroy(), 20);
      },
      /ERR_OUTBOUND_FAILED/,
    ],
  ])(
    'goes on with the last good copy when the directory %s, and states the reason',
    async (_fault, path, answer, said) => {
      const { decide, renew } = await opened();
      answers.set(path, answer);
      await renew();
      expect(decide()).toBe('PSP_AI PSP_PI');
      expect(faults()).toEqual([expect.stringMatching(said)]);
    },
  );

  it('presents its certificate: without one that the directory knows there is no token', async () => {
    await writeFile(join(folder, 'transport.pem'), stranger.certificatePem);
    await writeFile(join(folder, 'transport.key'), stranger.privateKeyPem, { mode: 0o600 });
    await expect(opened()).rejects.toMatchObject({
      code: 'ERR_REGISTER_TOKEN',
      details: { problem: 'the answer has status 401, invalid_client' },
    });
  });

  it('takes a renewed certificate and key of assertions without a restart', async () => {
    const { renew } = await opened();
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    await writeFile(join(folder, 'signing.key'), other.export({ type: 'pkcs8', format: 'pem' }).toString(), {
      mode: 0o600,
    });
    await renew();
    expect(faults()).toEqual(['ERR_REGISTER_TOKEN: the answer has status 401, invalid_client']);
    await writeFile(join(folder, 'signing.key'), signingKeyPem, { mode: 0o600 });
    await renew();
    expect(faults()).toHaveLength(1);
  });

  it.each(['signingKeyFile', 'certificateFile', 'privateKeyFile', 'caFile'])(
    'does not start without the file of %s',
    async (field) => {
      await expect(opened(settings({ [field]: join(folder, 'none') }))).rejects.toMatchObject({
        code: 'ERR_CONFIG_INVALID',
        details: { problems: [{ path: `registry.ukDirectory.connection.${field}` }] },
      });
    },
  );

  it.each<[overdue: string, outcome: string]>([
    ['refuse', 'ERR_REGISTRY_OVERDUE'],
    ['accept-and-report', 'PSP_AI PSP_PI'],
  ])('overdue: %s', async (overdue, outcome) => {
    const { decide } = await opened(settings({}, { overdue }));
    now = new Date(NOW.getTime() + DAY);
    expect(decide()).toBe('PSP_AI PSP_PI');
    now = new Date(NOW.getTime() + DAY + 1);
    expect(decide()).toBe(outcome);
    const said = events.filter(({ name }) => name === 'registry.overdue').map(({ fields }) => fields);
    expect(said).toEqual([{ kind: 'UK directory', since: '2026-11-30T12:00:00.000Z', outcome: overdue }]);
  });

  it('starts from its last copy while the directory is away', async () => {
    const first = await opened();
    await first.registry.close();
    answers.set(TOKEN_PATH, (response) => response.destroy());
    asked.length = 0;
    expect((await opened()).decide()).toBe('PSP_AI PSP_PI');
    expect(asked).toEqual([]);
  });

  it('is read by one of several processes', async () => {
    answers.set(PARTICIPANTS, (response) => setTimeout(() => page({})(response), 300));
    const { ukDirectory } = settings();
    if (ukDirectory === undefined) throw new Error('a directory');
    const parts = { proxy: undefined, clock: { now: () => new Date() }, log };
    answers.set(TOKEN_PATH, list({ access_token: 'token', token_type: 'Bearer', expires_in: 300 }));
    const upkeeps = await Promise.all([1, 2, 3].map(() => UkDirectoryUpkeep.open(ukDirectory, parts)));
    for (const one of upkeeps) closing.push(async () => one?.close());
    expect(asked.filter((one) => one === `GET ${PARTICIPANTS}`)).toHaveLength(1);
  });
});

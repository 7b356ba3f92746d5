import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemClock } from '../../clock.ts';
import { assertPrivateFiles, filesIn } from '../../configuration/configured-files.ts';
import type { Config } from '../../configuration/config.ts';
import { openKeyPlace } from '../../server/keys/opened-keyring.ts';
import { openResourceServers } from '../../server/followed-resource-servers.ts';
import { ListenerCertificates } from '../../server/own-certificate/listener-certificates.ts';
import { openTppDecision } from '../../server/tpp-decision.ts';
import { offlineRegistry } from '../registry/registry-report.ts';
import { timeText } from '../certificate/shown-text.ts';
import type { Check, Findings } from './findings.ts';

/** Made by a server where there is none. */
const MADE = /(^|\.)(storage\.file|storage\.secretFile|signingKeysFile|signingKeys\.file|\w*[fF]older)$/;
const LITTLE_ROOM_BYTES = 1024 ** 3;
const NO_ROOM_BYTES = 100 * 1024 ** 2;

/** The checks of the files that a configuration names, by the parts that read them at a start. */
export function fileChecks(config: Config, source: string): readonly Check[] {
  const clock = systemClock;
  return [
    ...namedFileChecks(config, source),
    {
      name: 'tls',
      advice: 'put a certificate with its chain and its key there, as the issuer gave them',
      run: async (findings) => {
        const { tls, bankApi, management } = config;
        const pairs = { tls, 'bankApi.tls': bankApi?.tls, 'management.tls': management?.tls };
        for (const [place, files] of Object.entries(pairs)) {
          if (files === undefined) continue;
          const opened = await ListenerCertificates.open({ ...files, place, clock, log: findings.log });
          reportPairs(opened, findings);
          await opened.close();
        }
      },
    },
    {
      name: 'trust',
      advice: 'mend the file that is named: it is one that the server reads at its start',
      run: async (findings) => {
        const decision = await openTppDecision(offline(config), { clock, log: findings.log });
        await decision.close();
        findings.ok('trust anchors, registry and block list can be read');
      },
    },
    {
      name: 'resource-servers',
      advice: 'put the PEM of the CA there',
      run: async (findings) => {
        if (config.resourceServers.length === 0) return;
        const opened = await openResourceServers(config.resourceServers, findings.log);
        await opened.close();
        findings.ok('the CAs of resource servers can be read');
      },
    },
    {
      name: 'signing-keys',
      advice: 'mend the file or the key module that is named (docs/keys.md)',
      run: (findings) => checkSigningKeys(config, findings),
    },
  ];
}

/** The checks of every file that a configuration names, of a server or a gateway. */
export function namedFileChecks(config: object, source: string): readonly Check[] {
  return [
    {
      name: 'files',
      advice: 'put the file there, or change the name',
      run: (findings) => checkFiles(config, findings),
    },
    {
      name: 'private-files',
      advice: 'chmod 600 the file, and let the user of the server own it',
      run: async (findings) => {
        await assertPrivateFiles(config, source, findings.log);
        findings.ok('keys and secrets are closed to other users');
      },
    },
  ];
}

export function reportPairs({ all }: ListenerCertificates, findings: Findings): void {
  for (const { place, current } of all) {
    findings.ok(`${place}: the certificate fits its key, and is valid until ${timeText(current.notAfter)}`);
  }
}

async function checkFiles(config: object, findings: Findings): Promise<void> {
  const files = filesIn(config);
  await Promise.all(files.map((one) => checkFile(one, findings)));
  if (findings.all.length === 0) findings.ok(`${files.length} files and folders are there, and may be used`);
  const folders = files.filter(({ path }) => MADE.test(path)).map(({ file }) => dirname(file));
  const rooms = await Promise.all(
    [...new Set(folders)].map(async (folder) => {
      const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: Number.NaN, bsize: 0 }));
      return { folder, free: bavail * bsize };
    }),
  );
  for (const { folder, free } of rooms) {
    const shown = `${folder} has ${Math.floor(free / 1024 ** 2)} MB of room`;
    if (free < NO_ROOM_BYTES) findings.problem(shown, 'make room: a store that cannot write refuses tokens');
    else if (free < LITTLE_ROOM_BYTES) findings.warning(shown, 'make room');
  }
}

async function checkFile(
  { path, file }: { readonly path: string; readonly file: string },
  findings: Findings,
): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) {
    if (!MADE.test(path)) {
      findings.problem(`${path}: ${file} is missing`);
      return;
    }
    const isWritable = await access(dirname(file), constants.W_OK).then(
      () => true,
      () => false,
    );
    if (!isWritable)
      findings.problem(`${path}: ${file} cannot be made`, `let this user write into ${dirname(file)}`);
    return;
  }
  const isReadable = await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
  if (!isReadable) findings.problem(`${path}: ${file} cannot be read by this user`, `chown or chmod ${file}`);
}

async function checkSigningKeys(config: Config, findings: Findings): Promise<void> {
  const file = config.signingKeysFile ?? config.signingKeys?.file;
  const isThere =
    file === undefined ||
    (await stat(file)
      .then(() => true)
      .catch(() => false));
  if (!isThere) {
    findings.ok(`${file} is made at the first start`);
    return;
  }
  const place = await openKeyPlace(config, { clock: systemClock, log: findings.log });
  try {
    const states = await place.states();
    const signing = states.filter(({ state }) => state === 'signing');
    findings.ok(`${states.length} keys, ${signing.length} of them sign`);
  } finally {
    await place.close();
  }
}

/** The same configuration, of which nothing is fetched and nothing is kept. */
function offline(config: Config): Config {
  const { folder: _kept, ...revocation } = config.revocation;
  // The trusted lists have a check of their own.
  const trust = config.trust.filter(({ lists }) => lists === undefined);
  return { ...config, trust, revocation, registry: offlineRegistry(config.registry) };
}

import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareFolder } from '../../src/certificate-conformance/folder/prepare-folder.ts';
import type { PreparedFolder } from '../../src/certificate-conformance/folder/prepared-folder.ts';
import { BROKEN_RULES } from '../../src/certificate-conformance/rules.ts';
import { sandboxAmendment } from '../../src/certificate-conformance/folder/tested-sandbox.ts';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { fileOf, readPage } from '../docs/pages.ts';
import { startBareProvider, type TestedServer } from './bare-provider.ts';
import { type Column, comparisonTable, failedRules, type JsonResult } from './comparison.ts';
import { nginxVersion, startNginx } from './nginx.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const AUTHORIZE = fileURLToPath(new URL('./authorize-child.ts', import.meta.url));
const PAGE = 'docs/certificate-conformance.md';
const nginx = nginxVersion();
const columns: Column[] = [];
let folder: string;
let prepared: PreparedFolder;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallystick-conformance-'));
  prepared = await prepareFolder({
    folder: join(folder, 'tester'),
    now: new Date(),
    isReset: false,
    scope: 'openid accounts',
    redirectUri: 'https://tpp.example/callback',
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as a user runs it. */
function command(...words: readonly string[]): Promise<Run> {
  const all = [MAIN, 'conformance', 'certificates', '--dir', prepared.folder, ...words];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { maxBuffer: 10_000_000 }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** The results of a server of this file, whose certificate is of the prepared folder's root. */
async function resultsOf(server: TestedServer, ...words: readonly string[]): Promise<readonly JsonResult[]> {
  const { issuer, resource } = server;
  try {
    const { stdout } = await command(
      ...(issuer === undefined ? [] : ['--issuer', issuer]),
      ...(resource === undefined ? [] : ['--resource', resource]),
      ...['--ca', pathsOf(prepared.folder).root, '--json', ...words],
    );
    return JSON.parse(stdout).results;
  } finally {
    await server.close();
  }
}

const ownServer = () => pathsOf(prepared.folder).server;

describe('the plan for TPP certificates', { timeout: 90_000 }, () => {
  it('passes in every rule and way against the sandbox, whose operator has done what the folder asks', async () => {
    const sandbox = await startSandbox({
      folder: join(folder, 'sandbox'),
      ports: { front: 0, mtls: 0, resource: 0, tpp: 0 },
      amendConfiguration: await sandboxAmendment(prepared.folder),
    });
    const junit = join(folder, 'junit.xml');
    try {
      const { code, stdout } = await command(
        '--sandbox',
        join(folder, 'sandbox'),
        '--json',
        '--junit',
        junit,
      );
      const { results, summary } = JSON.parse(stdout);
      expect(results.filter(({ outcome }: JsonResult) => outcome !== 'passed')).toEqual([]);
      expect([code, summary]).toEqual([0, { passed: results.length, failed: 0, notTried: 0 }]);
      const tried = new Set(results.map(({ rule }: JsonResult) => rule));
      expect(BROKEN_RULES.filter(({ id }) => !tried.has(id))).toEqual([]);
      expect(await readFile(junit, 'utf8')).toContain(`tests="${results.length}" failures="0" skipped="0"`);
      columns.push({ title: 'Tallystick', results });
    } finally {
      await sandbox.close();
    }
  });

  it('finds what oidc-provider alone does not check', async () => {
    const authorize = join(folder, 'authorize');
    const root = pathsOf(prepared.folder).root;
    await writeFile(authorize, `#!/bin/sh\nexec '${process.execPath}' '${AUTHORIZE}' '${root}' "$1"\n`);
    await chmod(authorize, 0o700);
    const server = await startBareProvider(prepared, ownServer());
    const results = await resultsOf(server, '--authorize', authorize);
    const failed = failedRules(results);
    expect(failed).toEqual(
      expect.arrayContaining(['revoked-by-crl', 'wrong-role', 'malformed-der', 'expired']),
    );
    expect(results.filter(({ rule, outcome }) => rule.startsWith('refresh') && outcome !== 'passed')).toEqual(
      [],
    );
    columns.push({ title: 'oidc-provider 9.13.3', results });
  });

  it.skipIf(nginx === undefined)(
    `finds what nginx does not check${nginx === undefined ? ' (skipped: nginx is not installed)' : ''}`,
    async () => {
      const results = await resultsOf(await startNginx(prepared, ownServer()));
      expect(failedRules(results)).toEqual(expect.arrayContaining(['revoked-by-crl', 'malformed-der']));
      columns.push({ title: `nginx ${nginx}`, results });
    },
  );

  it('has its table in the docs as the command has printed it', () => {
    const { text } = readPage(PAGE);
    const between = /(<!-- comparison -->\n)([\s\S]*?)(\n\n<!-- \/comparison -->)/;
    const table = comparisonTable(columns);
    if (process.env.UPDATE_DOCS !== undefined) {
      writeFileSync(
        fileOf(PAGE),
        text.replace(between, (_all, begin, _old, end) => `${begin}${table}${end}`),
      );
      return;
    }
    const documented = between.exec(text)?.[2] ?? '';
    // The columns of servers that are here, in the versions of the page.
    const isHere = documented.includes(`nginx ${nginx} `);
    const own = (line: string) => line.split('|').slice(0, isHere ? undefined : 5);
    expect(documented.split('\n').map(own), `UPDATE_DOCS=1 npm test -- test/certificate-conformance`).toEqual(
      (isHere ? table : comparisonTable(columns.slice(0, 2))).split('\n').map(own),
    );
  });

  it('fails on the good certificate where a server refuses everything, and counts no refusal', async () => {
    const server = createServer(
      { cert: readFileSync(ownServer().certificateFile), key: readFileSync(ownServer().keyFile) },
      (_request, response) => response.writeHead(403).end(),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const resource = `https://localhost:${(server.address() as AddressInfo).port}/accounts`;
    const ca = pathsOf(prepared.folder).root;
    const { code, stdout } = await command('--resource', resource, '--ca', ca);
    server.closeAllConnections();
    server.close();
    expect(code).toBe(1);
    expect(stdout).toMatch(/0 passed, 1 failed, \d+ not tried/);
    expect(stdout).toContain('The good certificate is refused: has the server what');
  });
});

describe('tallystick conformance certificates', { timeout: 90_000 }, () => {
  it('ends with 2 for wrong use, a folder that is not prepared, and a target that is not reached', async () => {
    const [unreached, plain, unprepared, again] = await Promise.all([
      command('--issuer', 'https://localhost:1'),
      command('--issuer', 'http://localhost:1'),
      command('--dir', join(folder, 'none'), '--resource', 'https://localhost:1/'),
      command('--prepare'),
    ]);
    expect([unreached.code, unreached.stderr]).toEqual([2, expect.stringContaining('ECONNREFUSED')]);
    expect([plain.code, plain.stderr]).toEqual([2, expect.stringContaining('must be an https URL')]);
    expect([unprepared.code, unprepared.stderr]).toEqual([2, expect.stringContaining('--prepare')]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--reset makes a new CA')]);
  });

  it('prepares for another competent authority, and keeps every private key out of what it hands over', async () => {
    const dir = join(folder, 'fi');
    const done = await command('--dir', dir, '--prepare', '--nca', 'FI-FINFSA=Finanssivalvonta');
    expect([done.code, done.stdout]).toEqual([
      0,
      expect.stringContaining('for-the-server/trust-this-root.pem'),
    ]);
    const given = join(dir, 'for-the-server');
    const registered = JSON.parse(await readFile(join(given, 'register-jwt.json'), 'utf8'));
    expect(registered.jwks.keys.map(({ alg, d }: Record<string, string>) => [alg, d])).toEqual([
      ['ES256', undefined],
      ['PS256', undefined],
    ]);
    const readMe = await readFile(join(given, 'READ-ME.txt'), 'utf8');
    expect(readMe).toContain('PSDFI-FINFSA-900003');
    expect(await readFile(join(given, 'clients.yaml'), 'utf8')).not.toMatch(/PRIVATE|\bd:/);
  });
});

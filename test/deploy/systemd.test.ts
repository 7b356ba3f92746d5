import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/configuration/config.ts';
import { variablesOf } from '../../src/configuration/layers/environment.ts';
import { inputSchema } from '../../src/configuration/layers/schema-keys.ts';
import { fileOf } from '../docs/pages.ts';

const text = readFileSync(fileOf('deploy/systemd/tallystick.service'), 'utf8');
const valuesOf = (name: string) =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'tallystick-systemd-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('deploy/systemd/tallystick.service', () => {
  it('starts, reloads and stops the server as the server expects', () => {
    const [start = ''] = valuesOf('ExecStart');
    expect(start).toMatch(
      /^\/usr\/bin\/node --disable-sigusr1 \S+\/dist\/src\/cli\/main\.js serve --config \/etc\/tallystick\//,
    );
    expect(valuesOf('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
    // A signal to all processes would stop the workers behind the back of the process that owns the ports.
    expect(valuesOf('KillMode')).toEqual(['mixed']);
    expect(valuesOf('RestartPreventExitStatus')).toEqual(['2']);
    const { noticeSeconds, drainSeconds } = { noticeSeconds: 2, drainSeconds: 8 };
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThanOrEqual(noticeSeconds + drainSeconds + 6);
  });

  it('hands secrets over as credentials, by variables that there are', () => {
    const known = new Set(variablesOf(inputSchema(configSchema)).map(({ variable }) => variable));
    const set = valuesOf('Environment').map((value) => value.split('='));
    expect(set.map(([name = '']) => name).filter((name) => !known.has(name) && name !== 'NODE_ENV')).toEqual(
      [],
    );
    const credentials = valuesOf('LoadCredential').map((value) => value.split(':')[0]);
    const used = set.flatMap(([, value = '']) => (value.startsWith('%d/') ? [value.slice(3)] : []));
    expect(used).toEqual(credentials);
  });

  it.skipIf(!hasSystemd)('is a unit without a fault, and exposes little', () => {
    const file = join(folder, 'tallystick.service');
    // The program of the unit must be there for systemd-analyze.
    writeFileSync(file, text.replaceAll('/usr/bin/node', process.execPath));
    const verified = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
    expect([verified.status, verified.stderr]).toEqual([0, '']);
    const judged = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--threshold=15', '--no-pager', file],
      {
        encoding: 'utf8',
      },
    );
    expect({ status: judged.status, text: judged.stdout.split('\n').slice(-3) }).toMatchObject({ status: 0 });
  });
});

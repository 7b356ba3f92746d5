import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const run = (...words: readonly string[]) =>
  execFileSync(process.execPath, [MAIN, ...words], { encoding: 'utf8', env: { PATH: process.env.PATH } });
const hasBash = spawnSync('bash', ['--version']).status === 0;

describe('tallystick completion', { timeout: 60_000 }, () => {
  let script: string;
  beforeAll(() => {
    script = run('completion', 'bash');
  });

  /** The words that a real bash offers behind the line. */
  function completed(line: string): readonly string[] {
    const words = line.split(' ');
    const list = words.map((word) => `"${word}"`).join(' ');
    const asked = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _tallystick; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', `${script}\n${asked}`], { encoding: 'utf8' });
    expect(stderr).toBe('');
    return stdout.split('\n').filter((word) => word !== '');
  }

  it.skipIf(!hasBash)('offers commands, their commands and their flags in bash', () => {
    expect(completed('tallystick ')).toEqual(expect.arrayContaining(['serve', 'config', 'doctor', '--help']));
    expect(completed('tallystick conf')).toEqual(['conformance', 'config']);
    expect(completed('tallystick config ')).toEqual(['validate', 'print', 'schema', 'env', '--help']);
    expect(completed('tallystick config print --o')).toEqual(['--origin']);
    expect(completed('tallystick keys rotate --config a.yaml --comp')).toEqual(['--compromised']);
    expect(completed('tallystick completion ')).toEqual(['bash', 'zsh', 'fish', '--help']);
    // Flags for processes that the command starts are no flags of a person.
    expect(completed('tallystick serve --')).toEqual(['--config', '--set', '--help']);
  });

  it('is there for zsh and fish', () => {
    expect(run('completion', 'zsh')).toMatch(/^autoload .*bashcompinit/);
    expect(run('completion', 'fish')).toContain(
      "complete -c tallystick -n '__tallystick_at config' -a 'validate print",
    );
  });
});

describe('tallystick version', { timeout: 60_000 }, () => {
  it('prints the version of package.json, and with --json that of Node', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(run('version')).toBe(`${version}\n`);
    expect(JSON.parse(run('version', '--json'))).toMatchObject({ version, node: process.versions.node });
  });
});

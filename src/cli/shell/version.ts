import { readFileSync } from 'node:fs';
import { Command } from 'commander';

/** `tallystick version`: of this program, and of the Node that runs it. */
export function versionCommand(): Command {
  return new Command('version')
    .description('print the version')
    .option('--json', 'with that of Node, as JSON')
    .action(({ json }: { readonly json?: true }) => {
      const version = programVersion();
      const { node, openssl } = process.versions;
      console.log(json === true ? JSON.stringify({ version, node, openssl }) : version);
    });
}

/** The version of package.json, which stands above the sources and above what is made from them. */
function programVersion(): string {
  for (const place of ['../../../package.json', '../../../../package.json']) {
    try {
      const { name, version }: Record<string, unknown> = JSON.parse(
        readFileSync(new URL(place, import.meta.url), 'utf8'),
      );
      if (name === 'tallystick') return String(version);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return 'unknown';
}

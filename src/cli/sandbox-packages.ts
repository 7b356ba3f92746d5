import type { Command } from 'commander';

/** Optional peers in package.json, for the registers of the sandbox. No server needs them. */
export const SANDBOX_PACKAGES: readonly string[] = ['undici', 'yazl'];

/** Ends the command with one line when a package is missing. Called before a module that imports it. */
export function requireSandboxPackages(command: Command): void {
  const missing = SANDBOX_PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  command.error(
    `error: the sandbox needs packages that a server does without. Run: npm install ${missing.join(' ')}`,
  );
}

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}

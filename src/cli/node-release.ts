const OLDEST_RELEASE = 24;

/** Ends the process with one line on a Node that cannot run the command. Imports nothing, so that this Node can read it. */
export function requireNode(): void {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major >= OLDEST_RELEASE) return;
  console.error(`tallystick needs Node ${OLDEST_RELEASE} or later; this is ${process.version}.`);
  process.exit(2);
}

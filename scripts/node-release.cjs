'use strict';
// Loaded before a TypeScript file, which an older Node cannot read: one line instead of a stack trace.
const OLDEST_RELEASE = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < OLDEST_RELEASE) {
  console.error(
    `This needs Node ${OLDEST_RELEASE} or later; this is ${process.version}. ` +
      '`npm ci` brings one for Linux (glibc), macOS and Windows, unless optional packages are left out.',
  );
  process.exit(2);
}

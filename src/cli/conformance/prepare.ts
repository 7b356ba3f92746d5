import { relative } from 'node:path';
import { prepareFolder } from '../../certificate-conformance/folder/prepare-folder.ts';
import { HANDED_OVER } from '../../certificate-conformance/folder/prepared-folder.ts';
import { systemClock } from '../../clock.ts';
import type { ConformanceFlags } from './conformance-flags.ts';

/** Prepares the folder, and prints what the server is to be given. */
export async function prepare(flags: ConformanceFlags): Promise<void> {
  const { folder, tester } = await prepareFolder({
    folder: flags.dir,
    now: systemClock.now(),
    isReset: flags.reset === true,
    revocationUrl: flags.revocationUrl,
    nca: flags.nca,
    scope: flags.scope,
    redirectUri: flags.redirectUri,
  });
  const at = `${relative('', folder) || '.'}/${HANDED_OVER}`;
  const lines = [
    'Prepared. What the server under test needs:',
    '',
    `  to trust      ${at}/trust-this-root.pem`,
    `  to reach      ${tester.revocationUrl} (CRLs and OCSP, during a run)`,
    `  to register   ${at}/register-*.json (RFC 7591)`,
    `                or ${at}/clients.yaml (Tallystick)`,
    `  to authorise  the TPPs of ${at}/registry.yaml`,
    '',
    `All of it in words: ${at}/READ-ME.txt`,
    'For test servers only: the keys of the CA lie in the folder.',
  ];
  console.log(lines.join('\n'));
}

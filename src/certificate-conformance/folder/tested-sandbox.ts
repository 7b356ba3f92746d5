import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { readTesterFolder } from './tester-folder.ts';

const configurationSchema = z.looseObject({
  trust: z.array(z.unknown()),
  clients: z.array(z.unknown()),
  revocation: z.looseObject({ privateHosts: z.array(z.string()) }),
});

type Amendment = (configuration: Readonly<Record<string, unknown>>) => unknown;

/**
 * Adds to the configuration of a sandbox, as its operator would before a test from a prepared folder: the CA as a trust
 * profile, the address of its CRLs and OCSP, and the clients. The sandbox has the TPPs in its registry already.
 *
 * @throws ERR_CONFIG_INVALID when the folder is not prepared
 */
export async function sandboxAmendment(path: string): Promise<Amendment> {
  const folder = resolve(path);
  const tester = await readTesterFolder(folder);
  const clients: unknown = parse(await readFile(join(folder, tester.clientsFile), 'utf8'));
  const entries = z.object({ clients: z.array(z.unknown()) }).parse(clients).clients;
  const { host } = new URL(tester.revocationUrl);
  const trust = {
    profile: 'eu-qualified',
    anchorsFile: join(folder, tester.rootFile),
    allowSandboxAnchors: true,
    intermediatesFile: join(folder, tester.intermediatesFile),
    revocation: { mode: 'ocsp-first', nonce: 'required', refreshSeconds: 2, hosts: [host] },
  };
  return (configuration) => {
    const own = configurationSchema.parse(configuration);
    return {
      ...own,
      trust: [...own.trust, trust],
      clients: [...own.clients, ...entries],
      revocation: { ...own.revocation, privateHosts: [...own.revocation.privateHosts, host] },
    };
  };
}

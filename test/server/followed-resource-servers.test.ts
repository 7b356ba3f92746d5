import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/events.ts';
import { reloadFollowedFiles } from '../../src/files/followed-file.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { openResourceServers } from '../../src/server/followed-resource-servers.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
const folder = mkdtempSync(join(tmpdir(), 'tallystick-resource-servers-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the anchors of a resource server', () => {
  const anchorsFile = join(folder, 'anchors.pem');
  const entry = {
    client_id: 'accounts-api',
    resource: 'https://api.bank.example',
    anchorsFile,
    tls_client_auth_san_dns: 'accounts.bank.example',
  };

  it('are those that the file holds at the moment', async () => {
    const [old, next] = await Promise.all(
      ['Old', 'Next'].map((name) => createAuthority({ name, ...PERIOD })),
    );
    writeFileSync(anchorsFile, `# our own CA\n${old?.certificatePem}`);
    const servers = await openResourceServers([entry], silentLog);
    const anchors = () => servers.all[0]?.anchors.map(({ der }) => der);
    expect(anchors()).toEqual([Buffer.from(old?.der ?? [])]);
    expect(servers.all[0]?.anchors).toBe(servers.all[0]?.anchors);
    writeFileSync(anchorsFile, `${next?.certificatePem}`);
    expect(await reloadFollowedFiles()).toEqual({ changed: [anchorsFile], bad: [] });
    expect(anchors()).toEqual([Buffer.from(next?.der ?? [])]);
    await servers.close();
  });

  it('are refused at the start, with the field', async () => {
    writeFileSync(anchorsFile, 'junk');
    await expect(openResourceServers([entry], silentLog)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: { problems: [{ path: 'resourceServers[0].anchorsFile' }] },
    });
  });
});

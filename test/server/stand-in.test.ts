import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Config } from '../../src/configuration/config.ts';
import { silentLog } from '../../src/events.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { Metrics } from '../../src/server/metrics/metrics.ts';
import { openStandIn } from '../../src/server/workers/stand-in.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };

it('a stand-in has the limits of connections of its configuration, for both listeners together', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-stand-in-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const root = await createAuthority({ name: 'Root', ...PERIOD });
  const server = await root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD });
  const tls = { certificateFile: join(folder, 'server.pem'), privateKeyFile: join(folder, 'server.key') };
  await writeFile(tls.certificateFile, server.certificatePem);
  await writeFile(tls.privateKeyFile, server.privateKeyPem, { mode: 0o600 });
  const config = {
    tls,
    issuer: 'https://localhost',
    mtlsUrl: 'https://localhost',
    connections: { inAll: 2, exemptAddresses: ['127.0.0.1'] },
    clientCertificate: {},
    shutdown: { drainSeconds: 0 },
  } as unknown as Config;
  const standIn = await openStandIn(config, { metrics: new Metrics(), log: silentLog });
  onTestFinished(() => standIn.stop());
  const dial = async (port: number): Promise<Socket> => {
    const socket = connectTcp(port, '127.0.0.1').resume();
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const ports = [await standIn.front.listen(0, '127.0.0.1'), await standIn.mtls.listen(0, '127.0.0.1')];
  const sockets = [...ports, ...ports].map(dial);
  const open = await Promise.all(sockets);
  await expect.poll(() => open.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(2);
});

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { RevocationIo } from '../../../src/x509/revocation/revocation-io.ts';
import { type NginxCache, startNginxCache } from '../../bench/scale/nginx-cache.ts';
import { snippet } from '../../docs/pages.ts';
import { adapted } from '../../mutual-tls/proxies/documented-snippet.ts';
import { absence, isInstalled } from '../../mutual-tls/proxies/real-proxy.ts';

const CRL = Buffer.alloc(300_000, 'crl');
const SLOW_MILLISECONDS = 300;

describe.skipIf(!isInstalled('nginx'))(
  `nginx as the mirror of CRLs (docs/scale.md)${absence('nginx')}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'tallystick-crl-mirror-'));
    const paths: string[] = [];
    const authority = createServer((request, response) => {
      paths.push(request.url ?? '');
      // Caching headers of a CA that nginx must not follow.
      response.setHeader('cache-control', 'no-store').setHeader('vary', '*').setHeader('set-cookie', 'a=b');
      setTimeout(() => response.end(CRL), SLOW_MILLISECONDS);
    });
    let mirror: NginxCache;
    beforeAll(async () => {
      authority.listen(0, '127.0.0.1');
      await once(authority, 'listening');
      const { port: authorityPort } = authority.address() as AddressInfo;
      mirror = await startNginxCache(join(folder, 'nginx'), (port) =>
        adapted(snippet('docs/scale.md', 'nginx as the mirror of CRLs'), {
          '/var/cache/nginx': join(folder, 'nginx'),
          'listen 8081': `listen 127.0.0.1:${port}`,
          'crl.ca-one.example': `127.0.0.1:${authorityPort}`,
        }),
      );
    });
    afterAll(async () => {
      await mirror.close();
      authority.closeAllConnections();
      authority.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('asks the CA once for all servers of a site, also while the list is on its way', async () => {
      const host = `127.0.0.1:${mirror.port}`;
      const servers = [1, 2, 3].map(
        () =>
          new RevocationIo({
            ...{ clock: systemClock, log: silentLog, privateHosts: [host], maxCrlBytes: 1_000_000 },
            ...{ ocspTimeoutSeconds: 5, crlTimeoutSeconds: 30, coolDownSeconds: 1 },
          }),
      );
      for (let time = 0; time < 2; time += 1) {
        const lists = await Promise.all(
          servers.map((server) => server.fetchCrl(`http://${host}/ca-one.crl`)),
        );
        expect(lists.every((list) => list.equals(CRL))).toBe(true);
      }
      expect(paths).toEqual(['/qwac-ca.crl']);
      await expect(servers[0]?.fetchCrl(`http://${host}/other.crl`)).rejects.toMatchObject({
        code: 'ERR_OUTBOUND_ANSWER',
        details: { status: 404 },
      });
      expect(paths).toEqual(['/qwac-ca.crl']);
      await Promise.all(servers.map((server) => server.close()));
    });
  },
);

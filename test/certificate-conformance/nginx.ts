import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PreparedFolder } from '../../src/certificate-conformance/folder/prepared-folder.ts';
import type { CertificateFiles } from '../../src/sandbox/folder.ts';
import { freePort } from '../free-port.ts';
import type { TestedServer } from './bare-provider.ts';
import { untilItListens } from '../listening.ts';

const ENVIRONMENT = { PATH: `${process.env.PATH}:/usr/sbin` };

/** `nginx/1.22.1`, and with which OpenSSL; undefined where there is no nginx. */
export function nginxVersion(): string | undefined {
  const { stderr = '', error } = spawnSync('nginx', ['-V'], { env: ENVIRONMENT, encoding: 'utf8' });
  return error === undefined ? /nginx\/([\d.]+)/.exec(stderr)?.[1] : undefined;
}

/** nginx with `ssl_verify_client on` and the CA of the TPPs, as its documentation shows it. */
export async function startNginx(prepared: PreparedFolder, server: CertificateFiles): Promise<TestedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-nginx-'));
  const port = await freePort();
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    server_name localhost;
    ssl_certificate ${server.certificateFile};
    ssl_certificate_key ${server.keyFile};
    ssl_client_certificate ${join(prepared.folder, prepared.tester.rootFile)};
    ssl_verify_client on;
    ssl_verify_depth 3;
    location / { return 200 'accounts'; }
  }
}
`,
  );
  const child = spawn(
    'nginx',
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    {
      env: ENVIRONMENT,
      stdio: 'ignore',
    },
  );
  await untilItListens(port, child);
  return {
    resource: `https://localhost:${port}/accounts`,
    close: async () => {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

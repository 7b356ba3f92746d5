import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import Router from '@koa/router';
import Koa from 'koa';
import { createListener, type Log } from '../../index.ts';
import { pathsOf } from '../sandbox-paths.ts';
import { fileMetadata } from './eba-writer.ts';
import { isBulkFile, readPublishedCopy } from './publication.ts';
import { FILE_METADATA } from './register-plans.ts';

const DOWNLOADS = '/register/downloads/';

/**
 * Serves the EBA register of a sandbox over HTTPS: file metadata, and the ZIP that they name. The files are read for each
 * answer, because another process publishes. On loopback only: the sandbox's own server reads it.
 */
export async function openRegisterService(
  folder: string,
  { url, log }: { readonly url: URL; readonly log: Log },
): Promise<{ close(): Promise<void> }> {
  const paths = pathsOf(folder).registers;
  const [certificatePem, privateKeyPem] = await Promise.all([
    readFile(paths.server.certificateFile, 'utf8'),
    readFile(paths.server.keyFile, 'utf8'),
  ]);
  const router = new Router()
    .get(FILE_METADATA, async (ctx) => {
      const { name, ...copy } = await readPublishedCopy(folder);
      ctx.body = fileMetadata({ path: name, context: `${url.origin}${DOWNLOADS}`, ...copy });
    })
    .get(`${DOWNLOADS}:file`, async (ctx) => {
      const { file = '' } = ctx.params;
      if (!isBulkFile(file) || !existsSync(paths.published(file))) ctx.throw(404);
      ctx.type = 'application/zip';
      ctx.body = await readFile(paths.published(file));
    });
  const app = new Koa();
  app.on('error', (error: { readonly expose?: boolean }) => {
    if (error.expose !== true) log.emit('sandbox.unexpected', { error });
  });
  app.use(router.routes()).use(router.allowedMethods());
  const listener = createListener({
    name: 'register',
    certificatePem,
    privateKeyPem,
    requestClientCertificate: false,
    log,
  });
  listener.serve(url, app.callback());
  await listener.listen(Number(url.port), '127.0.0.1');
  return { close: () => listener.close() };
}

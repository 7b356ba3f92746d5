import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import Router from '@koa/router';
import Koa from 'koa';
import { systemClock } from '../../clock.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../index.ts';
import { pathsOf } from '../sandbox-paths.ts';
import type { SandboxTpp } from '../sandbox-description.ts';
import { fileMetadata } from './eba-writer.ts';
import { isBulkFile, parseRegistersState, readPublishedCopy } from './publication.ts';
import { FILE_METADATA, participantOf, UK_CLIENT_ID, UK_TPP_PLANS } from './register-plans.ts';
import { softwareDirectory } from './software-directory-routes.ts';
import { createUkDirectory, SCIM_PATH, TOKEN_PATH } from './uk-directory.ts';

const DOWNLOADS = '/register/downloads/';

/**
 * Serves the EBA register, the UK directory and the directory of software statements of a sandbox over HTTPS. The files are read for each answer, because another
 * process publishes. On loopback only: the sandbox's own server reads them.
 *
 * @throws ERR_CONFIG_INVALID when the port is taken
 */
export async function openRegisterService(
  folder: string,
  { url, log, tpps }: { readonly url: URL; readonly log: Log; readonly tpps: readonly SandboxTpp[] },
): Promise<{ close(): Promise<void> }> {
  const { root, registers } = pathsOf(folder);
  const [cert, key, ca] = await Promise.all(
    [registers.server.certificateFile, registers.server.keyFile, root].map((file) => readFile(file, 'utf8')),
  );
  const [eba, directory] = [ebaRegister(folder, url), await ukDirectory(folder, url)];
  const open = servedBy([eba, softwareDirectory({ url, tpps })], log);
  // The UK directory asks for a certificate, the others do not.
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (request, response) => {
    const path = request.url ?? '';
    const isOfDirectory = [TOKEN_PATH, SCIM_PATH].some((start) => path.startsWith(start));
    if (isOfDirectory) directory(request, response);
    else void open(request, response);
  });
  try {
    server.listen(Number(url.port), '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    const message = `port ${url.port} is taken: choose another`;
    throw invalidConfig('command line', [{ path: '--register-port', message }], error);
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** File metadata, and the ZIP that they name. */
function ebaRegister(folder: string, url: URL): Router {
  const { published } = pathsOf(folder).registers;
  return new Router()
    .get(FILE_METADATA, async (ctx) => {
      const { name, ...copy } = await readPublishedCopy(folder);
      ctx.body = fileMetadata({ path: name, context: `${url.origin}${DOWNLOADS}`, ...copy });
    })
    .get(`${DOWNLOADS}:file`, async (ctx) => {
      const { file = '' } = ctx.params;
      if (!isBulkFile(file) || !existsSync(published(file))) ctx.throw(404);
      ctx.type = 'application/zip';
      ctx.body = await readFile(published(file));
    });
}

function servedBy(routers: readonly Router[], log: Log) {
  const app = new Koa();
  app.on('error', (error: { readonly expose?: boolean }) => {
    if (error.expose !== true) log.emit('sandbox.unexpected', { error });
  });
  for (const router of routers) app.use(router.routes()).use(router.allowedMethods());
  return app.callback();
}

/** Of the bank that is its client, and of the participants at the time of each request. */
async function ukDirectory(folder: string, url: URL) {
  const { state, ukClient } = pathsOf(folder).registers;
  const signingKey = createPublicKey(await readFile(ukClient.signingKeyFile, 'utf8'));
  const publicKeyPem = signingKey.export({ type: 'spki', format: 'pem' }).toString();
  const participants = () => {
    const { withdrawnTpps } = parseRegistersState(readFileSync(state, 'utf8'));
    return UK_TPP_PLANS.map((plan) => participantOf(plan, withdrawnTpps));
  };
  const client = { id: UK_CLIENT_ID, publicKeyPem };
  return createUkDirectory({ origin: url.origin, client, participants, clock: systemClock });
}

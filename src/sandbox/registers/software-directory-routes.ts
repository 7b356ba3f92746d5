import { readFile } from 'node:fs/promises';
import Router from '@koa/router';
import { epochSeconds, systemClock } from '../../clock.ts';
import type { SandboxTpp } from '../sandbox-description.ts';
import { SOFTWARE_DIRECTORY } from './register-plans.ts';
import { type ListedSoftware, SoftwareDirectory, type StatementShape } from './software-directory.ts';

const MARKETS: readonly StatementShape[] = ['uk-obie', 'open-finance-brasil', 'cdr'];
const OLD_SECONDS = 86_400;

/**
 * The directory of software statements: its keys, the keys of each TPP's software, and a statement for a TPP in the shape of a
 * market. With `expired=true` the statement is a day old. The key of the directory is made when the key is needed first.
 */
export function softwareDirectory({
  url,
  tpps,
}: {
  readonly url: URL;
  readonly tpps: readonly SandboxTpp[];
}): Router {
  let created: Promise<SoftwareDirectory> | undefined;
  const directory = () => {
    created ??= SoftwareDirectory.create();
    return created;
  };
  const named = (name: unknown) => tpps.find((tpp) => tpp.name === name);
  const jwksUri = (tpp: SandboxTpp) => `${url.origin}${SOFTWARE_DIRECTORY}/software/${tpp.name}/jwks`;
  return new Router({ prefix: SOFTWARE_DIRECTORY })
    .get('/jwks', async (ctx) => {
      ctx.body = (await directory()).jwks;
    })
    .get('/software/:tpp/jwks', async (ctx) => {
      const tpp = named(ctx.params.tpp);
      if (tpp === undefined) return ctx.throw(404);
      const { d, ...publicKey } = JSON.parse(await readFile(tpp.signingKeyFile, 'utf8'));
      ctx.body = { keys: [publicKey] };
    })
    .post('/statements', async (ctx) => {
      const { tpp: name, market, expired } = ctx.query;
      const tpp = named(name);
      if (tpp === undefined) return ctx.throw(400, `tpp must be one of ${tpps.map((one) => one.name)}`);
      const shape = MARKETS.find((one) => one === market);
      if (shape === undefined) return ctx.throw(400, `market must be one of ${MARKETS}`);
      const issued = epochSeconds(systemClock.now()) - (expired === 'true' ? OLD_SECONDS : 0);
      const software = softwareOf(tpp, jwksUri(tpp));
      ctx.type = 'application/jwt';
      ctx.body = await (await directory()).statement(shape, software, { iat: issued });
    });
}

/** The software of a TPP: one, which has the name of the TPP. */
function softwareOf(tpp: SandboxTpp, jwksUri: string): ListedSoftware {
  const registrationId = tpp.organizationIdentifier.split('-').at(-1) ?? '';
  return {
    softwareId: tpp.name,
    orgId: `SANDBOX${registrationId}`,
    registrationId,
    name: tpp.legalName.replace(/^Sandbox | Ltd$/g, ''),
    organisation: tpp.legalName,
    jwksUri,
    redirectUris: tpp.clients.tls_client_auth.redirect_uris,
  };
}

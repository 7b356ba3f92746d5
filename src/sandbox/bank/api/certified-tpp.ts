import type { Context, Middleware } from 'koa';
import { isRefusal } from '../../../errors.ts';
import type { Tpp, TppAuthenticator } from '../../../index.ts';
import { createClientCertificateSource, refusalAnswer } from '../../../resource-server/index.ts';
import { OpenBankingError } from '../../../errors.ts';
import type { PspRole } from '../../../../tpp-registry/index.ts';

const certificates = createClientCertificateSource({ from: 'socket' });

/**
 * Lets a TPP through by its certificate alone, with the decision that the token endpoint makes about it: path, revocation,
 * registry and role. `tppOf(ctx)` returns the TPP.
 */
export function certifiedTpp(authenticator: TppAuthenticator, role: PspRole): Middleware {
  return async (ctx, next) => {
    try {
      ctx.state.tpp = await proven(ctx, authenticator, role);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { status, headers, body } = refusalAnswer(error);
      ctx.status = status;
      ctx.set({ ...headers });
      ctx.body = body;
      return;
    }
    await next();
  };
}

async function proven(ctx: Context, authenticator: TppAuthenticator, role: PspRole): Promise<Tpp> {
  const { certificate } = certificates.read(ctx.req);
  if (certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
  const tpp = await authenticator.authenticate(certificate);
  if (tpp.roles.has(role)) return tpp;
  const { authorizationNumber, roles } = tpp;
  throw new OpenBankingError('ERR_TPP_ROLE_MISSING', {
    ...{ authorizationNumber, scope: '', needed: role, held: [...roles] },
  });
}

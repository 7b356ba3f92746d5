import type { Authorization } from '../../../src/resource-server/index.ts';
import { AUDIENCE, NOW } from '../issuer.ts';
import type { SignedRequest } from './signed-request.ts';

export const ORGANIZATION = 'PSDGB-FCA-900001';

/** The client of a request, as a proven token names it. */
export const clientOf = (change: Partial<Authorization> = {}): Authorization => ({
  clientId: 'acme',
  subject: 'psu-1',
  audience: AUDIENCE,
  scopes: ['accounts'],
  expiresAt: new Date(NOW.getTime() + 60_000),
  thumbprint: 'thumbprint',
  authorizationNumber: ORGANIZATION,
  roles: ['PSP_AI'],
  authorizationDetails: [],
  claims: {},
  ...change,
});

/** A request as it is received. */
export const received = ({ method, path, headers, body }: SignedRequest) => ({
  method,
  url: path,
  rawHeaders: Object.entries(headers).flat(),
  body: Buffer.from(body),
});

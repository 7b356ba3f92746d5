import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import {
  type Authorization,
  type ConsentInformation,
  authorizationOf,
  createAuthorizer,
  createGateway,
  createProtection,
  type EventSink,
  expressProtection,
  fastifyProtection,
  isRefusal,
  koaProtection,
  logTo,
  nodeProtection,
} from '@tallystick/resource-server';

const sink: EventSink = (name, { level }, fields) => console.log(level, name, fields.clientId);
const authorizer = createAuthorizer({ issuer: 'https://as.example', audience: 'https://api.example' });
const protection = createProtection({ authorizer, clientCertificate: { from: 'socket' }, log: logTo(sink) });
const needed = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;

const covers = {
  account: ({ url = '' }: IncomingMessage) => url.split('/')[2],
  permissions: ['read_balances'],
};

export const clientOf = (request: IncomingMessage): string => authorizationOf(request).clientId;
export const subjectOf = ({ subject }: Authorization): string => subject;
export const accountsOf = async (request: IncomingMessage): Promise<ConsentInformation['accountIds']> =>
  (await authorizer.consentOf(authorizationOf(request))).accountIds;
export const isExpired = (error: unknown): boolean => isRefusal(error, 'ERR_TOKEN_EXPIRED');
export const middleware = [
  expressProtection(protection, needed),
  fastifyProtection(protection, needed),
  koaProtection(protection, needed),
  createGateway({ protection, proxy: 'nginx', routes: [] }),
  nodeProtection(protection, { ...needed, acr: ['high'], covers }, () => {}),
];
createServer(
  {},
  nodeProtection(protection, needed, (_request, response, { clientId }) => {
    response.end(clientId);
  }),
);

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Target } from './attack.ts';
import type { Identity } from './sockets.ts';

/** A certificate of an issuer that the bank does not know, by the name of its file. */
export const strangerOf = ({ strangerFolder }: Target, name: string): Identity => ({
  cert: readFileSync(join(strangerFolder, `${name}.pem`), 'utf8'),
  key: readFileSync(join(strangerFolder, `${name}.key`), 'utf8'),
});

/** The parameters of a pushed request of the attacking TPP. */
export const pushed = (
  { clientId, redirectUri }: Target,
  more: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => ({
  client_id: clientId,
  response_type: 'code',
  redirect_uri: redirectUri,
  scope: 'openid accounts',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
  ...more,
});

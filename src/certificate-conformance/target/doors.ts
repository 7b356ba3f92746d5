import type { Success } from './answer.ts';
import type { ClientRequests } from './client-requests.ts';
import type { Exchange } from './exchange.ts';
import type { Presented } from '../folder/prepared-folder.ts';
import type { ClientName } from '../folder/prepared-folder.ts';
import type { Way } from '../rules.ts';
import type { Target } from './target.ts';

/** One way to present certificates, or the reason why the target does not have this way. */
export type Door = OpenDoor | { readonly way: Way; readonly shut: string };

export interface OpenDoor {
  readonly way: Way;
  readonly client: ClientName;
  readonly success: Success;
  /** A request with a certificate; another client than the way's own when `client` names one. */
  readonly request: (presented: Presented | undefined, client?: ClientName) => Promise<Exchange> | Exchange;
}

/** The ways of a target. An API without an authorization server has one: its TLS. */
export function doorsOf(requests: ClientRequests): readonly Door[] {
  const { target } = requests;
  if (target.tokenEndpoint === undefined && target.parEndpoint === undefined) {
    return [
      { way: 'api', client: 'tls', success: 'any 2xx', request: (presented) => requests.call(presented) },
    ];
  }
  return (['tls', 'jwt'] as const).flatMap((client) => {
    const method = client === 'tls' ? 'tls_client_auth' : 'private_key_jwt';
    return [tokenDoor(requests, client, method), pushDoor(requests, client, method)];
  });
}

type Method = 'tls_client_auth' | 'private_key_jwt';

function tokenDoor(requests: ClientRequests, client: ClientName, method: Method): Door {
  const { target } = requests;
  const way: Way = `token ${method}`;
  const shut = methodProblem(target, method) ?? grantProblem(target);
  if (shut !== undefined) return { way, shut };
  return {
    way,
    client,
    success: 'access_token',
    request: (presented, other = client) => requests.token(other, presented),
  };
}

function pushDoor(requests: ClientRequests, client: ClientName, method: Method): Door {
  const { target } = requests;
  const way: Way = `par ${method}`;
  const problem =
    target.parEndpoint === undefined ? 'there is no PAR endpoint' : methodProblem(target, method);
  if (problem !== undefined) return { way, shut: problem };
  return {
    way,
    client,
    success: 'request_uri',
    request: (presented, other = client) => requests.pushed(other, presented),
  };
}

function methodProblem({ authMethods }: Target, method: Method): string | undefined {
  const isKnown = authMethods === undefined || authMethods.includes(method);
  return isKnown ? undefined : `the metadata does not name ${method}`;
}

function grantProblem({ tokenEndpoint, grantTypes }: Target): string | undefined {
  if (tokenEndpoint === undefined) return 'there is no token endpoint';
  const isKnown = grantTypes === undefined || grantTypes.includes('client_credentials');
  return isKnown ? undefined : 'the metadata does not name the grant client_credentials';
}

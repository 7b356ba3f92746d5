import { type Aspsp, type Config, loadConfig, type RunningServer, startServer, type Store } from 'tallystick';
import { createAuthorizer } from 'tallystick/resource-server';
import { createRegistry } from 'tallystick/tpp-registry';

export async function run(file: string, aspsp: Aspsp, store: Store): Promise<RunningServer> {
  const config: Config = await loadConfig(file);
  const server = await startServer(config, { aspsp, store });
  console.log((await server.clients.find('a'))?.client_name, (await server.consents.find('b'))?.psuId);
  return server;
}
export const authorizerOf = (server: RunningServer) =>
  createAuthorizer({
    issuer: server.issuer,
    audience: 'https://api.example',
    tppCheck: server.authenticator.authenticate,
  });
export const emptyRegistry = createRegistry([], new Date(0));

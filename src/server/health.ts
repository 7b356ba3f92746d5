import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createConnectionLimits } from '../mutual-tls/limits/connection-limits.ts';
import { requestLimits } from '../mutual-tls/limits/request-limits.ts';

const MAX_CONNECTIONS = 64;
const KEEP_ALIVE_SECONDS = 5;

/** Live and ready, for container health checks and load balancers. On loopback only, without TLS. */
export function createHealthServer(isReady: () => Promise<boolean>) {
  const statusOf = async (path: string | undefined): Promise<number> => {
    if (path === '/health/live') return 200;
    if (path === '/health/ready') return (await isReady()) ? 200 : 503;
    return 404;
  };
  const server = createServer(requestLimits(KEEP_ALIVE_SECONDS), (request, response) => {
    void statusOf(request.url).then((status) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify({ status: status === 200 ? 'ok' : 'unavailable' }));
    });
  });
  createConnectionLimits({ inAll: MAX_CONNECTIONS, perAddress: MAX_CONNECTIONS }).limit(server, 'health');
  return {
    /** Binds the port (0 = any free one) and returns the bound one. */
    listen: (port: number) =>
      new Promise<number>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
      }),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

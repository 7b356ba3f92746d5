import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Live and ready, for container health checks and load balancers. On loopback only, without TLS. */
export function createHealthServer(isReady: () => Promise<boolean>) {
  const statusOf = async (path: string | undefined): Promise<number> => {
    if (path === '/health/live') return 200;
    if (path === '/health/ready') return (await isReady()) ? 200 : 503;
    return 404;
  };
  const server = createServer((request, response) => {
    void statusOf(request.url).then((status) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify({ status: status === 200 ? 'ok' : 'unavailable' }));
    });
  });
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

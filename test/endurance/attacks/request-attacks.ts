import type { Attack, Target } from './attack.ts';
import { pushed, strangerOf } from './forms.ts';
import { formRequest, identityOf, inLoops, plainSocket, statuses, statusOf, tlsSocket } from './sockets.ts';

const names = (title: string, file: string): Attack => ({
  name: title,
  run: async (target) => {
    const identity = strangerOf(target, file);
    const request = formRequest('/token', target.hosts.mtls, {
      grant_type: 'client_credentials',
      client_id: target.clientId,
    });
    const seen = statuses();
    await inLoops({ loops: 8, seconds: target.seconds, most: 5000 }, async () => {
      seen.count(await statusOf(tlsSocket(target.ports.mtls, identity), request));
    });
    return seen.text();
  },
});

export const REQUEST_ATTACKS: readonly Attack[] = [
  names('certificates with a name of 60 kB of characters that do not show', 'name-60'),
  names('the same with a name of 9 kB', 'name-9'),
  {
    name: '1,920 pushed requests of 50 kB from one TPP',
    run: async (target) => {
      const identity = identityOf(target);
      const request = formRequest(
        '/par',
        target.hosts.mtls,
        pushed(target, { state: 's'.repeat(25_000), nonce: 'n'.repeat(25_000) }),
      );
      const seen = statuses();
      await inLoops({ loops: 8, seconds: target.seconds, most: 1920 }, async () => {
        seen.count(await statusOf(tlsSocket(target.ports.mtls, identity), request));
      });
      return seen.text();
    },
  },
  {
    name: '1,920 pushed requests of an honest size from one TPP',
    run: async (target) => {
      const identity = identityOf(target);
      const request = formRequest('/par', target.hosts.mtls, pushed(target, {}));
      const seen = statuses();
      await inLoops({ loops: 8, seconds: target.seconds, most: 1920 }, async () => {
        seen.count(await statusOf(tlsSocket(target.ports.mtls, identity), request));
      });
      return seen.text();
    },
  },
  {
    name: 'a token of 8,190 slashes from a stranger, at the gateway, every 400 ms',
    measured: 'gateway',
    run: async (target) => {
      const certificate = encodeURIComponent(strangerOf(target, 'stranger').cert);
      const request =
        `GET /authorize HTTP/1.1\r\nHost: api\r\nX-Original-Method: GET\r\nX-Original-URI: /accounts\r\n` +
        `X-SSL-Client-Cert: ${certificate}\r\nAuthorization: Bearer ${'/'.repeat(8190)}\r\nConnection: close\r\n\r\n`;
      const seen = statuses();
      const most = Math.floor(target.seconds / 0.4);
      for (let number = 0; number < most; number += 1) {
        const wait = new Promise((resolve) => setTimeout(resolve, 400));
        seen.count(await statusOf(plainSocket(target.gatewayPort), request));
        await wait;
      }
      return seen.text();
    },
  },
  {
    name: 'log on a full disk, refused requests in 8 loops',
    log: 'full',
    run: refusedRequests,
  },
  {
    name: 'log that its reader does not read, refused requests in 8 loops',
    log: 'not read',
    run: refusedRequests,
  },
];

async function refusedRequests(target: Target): Promise<string> {
  const request = `GET /nothing HTTP/1.1\r\nHost: ${target.hosts.front}\r\nConnection: close\r\n\r\n`;
  const seen = statuses();
  await inLoops({ loops: 8, seconds: target.seconds, most: 5000 }, async () => {
    seen.count(await statusOf(tlsSocket(target.ports.front), request));
  });
  return seen.text();
}

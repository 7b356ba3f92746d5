import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from './attack.ts';
import { identityOf, inLoops, openOf, opened, plainSocket, settled, tlsSocket } from './sockets.ts';

export const CONNECTION_ATTACKS: readonly Attack[] = [
  {
    name: 'handshakes with 40 kB of certificates, in 8 loops',
    run: async (target) => {
      const { cert, key } = identityOf(target);
      const identity = { cert: cert.repeat(Math.ceil(40_000 / cert.length)), key };
      const tried = await inLoops({ loops: 8, seconds: target.seconds, most: 5000 }, async () => {
        const socket = tlsSocket(target.ports.mtls, identity);
        await settled(socket);
        socket.destroy();
      });
      return `${tried} handshakes`;
    },
  },
  {
    name: 'handshakes of an ordinary client, in 8 loops',
    run: async (target) => {
      const identity = identityOf(target);
      let complete = 0;
      const tried = await inLoops({ loops: 8, seconds: target.seconds, most: 20_000 }, async () => {
        const socket = tlsSocket(target.ports.mtls, identity);
        if (await settled(socket)) complete += 1;
        socket.destroy();
      });
      return `${complete} of ${tried} handshakes complete`;
    },
  },
  {
    name: '3,000 idle connections, `workers: 2`, `ulimit -n 1024`',
    configuration: { workers: 2 },
    descriptors: 1024,
    run: async ({ ports, seconds }) => {
      const sockets = await opened(3000, () => plainSocket(ports.mtls));
      await sleep(seconds * 1000);
      return `${openOf(sockets)} open at the end`;
    },
  },
  {
    name: '300 connections that pipeline 3,000 requests each and read nothing',
    run: async ({ ports, hosts, seconds }) => {
      const request = `GET /.well-known/openid-configuration HTTP/1.1\r\nHost: ${hosts.front}\r\n\r\n`;
      const sockets = await opened(300, () => {
        const socket = tlsSocket(ports.front);
        socket.once('secureConnect', () => {
          socket.pause();
          socket.write(request.repeat(3000));
        });
        return socket;
      });
      await sleep(seconds * 1000);
      return `${openOf(sockets)} open at the end`;
    },
  },
  {
    name: '200 connections that send an empty line each half second after their first request',
    configuration: { connections: { keepAliveSeconds: 1 } },
    seconds: 25,
    run: async ({ ports, hosts, seconds }) => {
      const sockets = await opened(200, () => {
        const socket = tlsSocket(ports.front);
        socket.once('secureConnect', () =>
          socket.write(`GET /jwks HTTP/1.1\r\nHost: ${hosts.front}\r\n\r\n`),
        );
        socket.resume();
        return socket;
      });
      const drip = setInterval(() => {
        for (const socket of sockets) if (socket.writable) socket.write('\r\n');
      }, 500);
      await sleep(seconds * 1000);
      clearInterval(drip);
      return `${openOf(sockets)} open at the end`;
    },
  },
];

import type { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack, Target } from './attack.ts';
import { pushed, strangerOf } from './forms.ts';
import {
  askAgain,
  formRequest,
  identityOf,
  inLoops,
  openOf,
  opened,
  plainSocket,
  settled,
  statuses,
  statusOf,
  tlsSocket,
} from './sockets.ts';

/** The head of a TLS record of 16 kB, and of a ClientHello in it. */
const CLIENT_HELLO = Buffer.from('16030140000100', 'hex');
const DRIP_MILLISECONDS = 1000;
/** Of events a second: 5 of one address, 50 of one TPP, and the lines that sum up the rest. */
const LINES_A_SECOND = 150;
/** Requests of nobody, on both listeners together. */
const UNAUTHENTICATED = 100_000;

/** Connections that send a little each second. */
async function slowly(
  target: Target,
  { count, head, more }: { readonly count: number; readonly head: string; readonly more: string },
): Promise<string> {
  let served = 0;
  const sockets: TLSSocket[] = await opened(count, () => {
    const socket = tlsSocket(target.ports.mtls, identityOf(target));
    void settled(socket).then((isSecure) => {
      if (!isSecure) return;
      served += 1;
      socket.write(head);
    });
    return socket.resume();
  });
  const drip = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write(more);
  }, DRIP_MILLISECONDS);
  await sleep(target.seconds * 1000);
  clearInterval(drip);
  return `${served} began a request, ${openOf(sockets)} open at the end`;
}

/** Every route, once without what it asks for; and a path that is no route. */
const FRONT_PATHS = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/jwks',
  '/status-lists/1',
  '/authorize?client_id=nobody&request_uri=urn:ietf:params:oauth:request_uri:none',
  '/authorize/none',
  '/interaction/none',
  '/assets/bank.css',
  '/favicon.ico',
  '/consents',
  '/consents/login',
  '/consents/end',
  '/consents/logout',
  '/nothing',
];
const MTLS_PATHS = [
  '/token',
  '/par',
  '/backchannel',
  '/introspect',
  '/revoke',
  '/register',
  '/register/nobody',
  '/userinfo',
  '/grants/none',
  '/client-keys/nobody',
  '/consent-information/none',
  '/tpp/self-check',
  '/nothing',
];

/** Requests of every route, by each method, on kept connections of one address. */
async function everyRoute(
  target: Target,
  listener: 'front' | 'mtls',
  seen: ReturnType<typeof statuses>,
): Promise<void> {
  const host = target.hosts[listener];
  const form = { username: 'u', password: 'p', csrf: 'c', client_id: 'nobody' };
  const requests = (listener === 'front' ? FRONT_PATHS : MTLS_PATHS).flatMap((path) => [
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    formRequest(path, host, form, 'keep-alive'),
  ]);
  const most = Math.ceil(UNAUTHENTICATED / 2 / requests.length);
  await Promise.all(
    requests.map((request) =>
      askAgain(
        { loops: 1, seconds: target.seconds, most },
        { open: () => tlsSocket(target.ports[listener]), request, onStatus: seen.count },
      ),
    ),
  );
}

/** Floods that a stranger or one TPP can make, each with bounds for the store and the log (threats.md N and P). */
export const FLOODS: readonly Attack[] = [
  {
    name: '2,000 slow handshakes from one address (N1, P2)',
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 4 },
    run: async ({ ports, seconds }) => {
      const sockets = await opened(2000, () => plainSocket(ports.mtls));
      let at = 0;
      const drip = setInterval(() => {
        const byte = CLIENT_HELLO.subarray(at, at + 1);
        for (const socket of sockets) {
          if (socket.writable) socket.write(byte.length === 0 ? Buffer.from([0]) : byte);
        }
        at += 1;
      }, DRIP_MILLISECONDS);
      await sleep(seconds * 1000);
      clearInterval(drip);
      return `${openOf(sockets)} open at the end`;
    },
  },
  {
    name: '500 connections whose headers come slowly (N1)',
    seconds: 25,
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 4 },
    run: (target) =>
      slowly(target, {
        count: 500,
        head: `POST /token HTTP/1.1\r\nHost: ${target.hosts.mtls}\r\n`,
        more: 'X-Slow: slow\r\n',
      }),
  },
  {
    name: '500 connections whose bodies come slowly (N1, N3)',
    seconds: 25,
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 4 },
    run: (target) =>
      slowly(target, {
        count: 500,
        head:
          `POST /token HTTP/1.1\r\nHost: ${target.hosts.mtls}\r\n` +
          'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\n',
        more: 'a=b&',
      }),
  },
  {
    name: '100,000 pushed requests from one TPP (N9, P6)',
    seconds: 60,
    // 600 a minute are kept, each of about 2 kB.
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 16 },
    run: async (target) => {
      const identity = identityOf(target);
      const request = formRequest('/par', target.hosts.mtls, pushed(target, {}), 'keep-alive');
      const seen = statuses();
      await askAgain(
        { loops: 16, seconds: target.seconds, most: 100_000 },
        { open: () => tlsSocket(target.ports.mtls, identity), request, onStatus: seen.count },
      );
      return seen.text();
    },
  },
  {
    name: '20,000 certificates of a stranger from one address (N9, N10, P1)',
    seconds: 60,
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 4 },
    run: async (target) => {
      const identity = strangerOf(target, 'stranger');
      const form = { grant_type: 'client_credentials', client_id: target.clientId };
      const request = formRequest('/token', target.hosts.mtls, form);
      const seen = statuses();
      await inLoops({ loops: 16, seconds: target.seconds, most: 20_000 }, async () => {
        seen.count(await statusOf(tlsSocket(target.ports.mtls, identity), request));
      });
      return seen.text();
    },
  },
  {
    name: '100,000 unauthenticated requests of every route from one address (N9, N10, P2)',
    seconds: 60,
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 4 },
    run: async (target) => {
      const seen = statuses();
      await Promise.all([everyRoute(target, 'front', seen), everyRoute(target, 'mtls', seen)]);
      return seen.text();
    },
  },
  {
    name: '10,000 registrations from one TPP (N9, P6)',
    seconds: 60,
    configuration: { registration: { profiles: [{ profile: 'certificate' }] } },
    // The quota of one TPP: 10 clients, 60 requests an hour.
    most: { linesASecond: LINES_A_SECOND, storeMegabytes: 4 },
    run: async (target) => {
      const identity = identityOf(target);
      const body = JSON.stringify({
        redirect_uris: [target.redirectUri],
        token_endpoint_auth_method: 'tls_client_auth',
        grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
        response_types: ['code'],
        scope: 'openid accounts',
      });
      const request =
        `POST /register HTTP/1.1\r\nHost: ${target.hosts.mtls}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
      const seen = statuses();
      await askAgain(
        { loops: 8, seconds: target.seconds, most: 10_000 },
        { open: () => tlsSocket(target.ports.mtls, identity), request, onStatus: seen.count },
      );
      return seen.text();
    },
  },
];

import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bank } from '../../durability/bank.ts';
import type { AttackedServer } from './attacked-bank.ts';

/** Another address than the attack's. */
const CLIENT = '127.0.0.2';
const PAUSE_MILLISECONDS = 200;
const TIMEOUT_MILLISECONDS = 5000;

export interface Served {
  readonly asked: number;
  readonly answered: number;
  readonly medianMilliseconds: number;
  readonly p99Milliseconds: number;
  readonly longestMilliseconds: number;
}

type Ask = () => Promise<boolean>;

/** Tokens on fresh connections and the keys of the front channel, as another TPP asks for them. */
export function serverRequests(bank: Bank, { ports }: AttackedServer): Ask {
  const { tls, clientId } = otherTpp(bank);
  const { issuer, mtlsUrl, caFile } = bank.description;
  const ca = readFileSync(caFile);
  let turn = 0;
  return async () => {
    turn += 1;
    if (turn % 2 === 0) {
      const headers = { host: new URL(issuer).host };
      return (await send({ port: ports.front, path: '/jwks', headers, ca })).status === 200;
    }
    const token = await tokenOf({ ca, ...tls }, { port: ports.mtls, host: new URL(mtlsUrl).host, clientId });
    return token !== undefined;
  };
}

/** A new opaque token each time, shown at the gateway. */
export function gatewayRequests(bank: Bank, { ports, gatewayPort }: AttackedServer): Ask {
  const { tls, clientId } = otherTpp(bank);
  const { mtlsUrl, caFile } = bank.description;
  const ca = readFileSync(caFile);
  return async () => {
    const token = await tokenOf({ ca, ...tls }, { port: ports.mtls, host: new URL(mtlsUrl).host, clientId });
    const headers = {
      'x-original-method': 'GET',
      'x-original-uri': '/accounts',
      'x-ssl-client-cert': encodeURIComponent(tls.cert),
      authorization: `Bearer ${token}`,
    };
    return (await send({ port: gatewayPort, path: '/authorize', headers, isPlain: true })).status === 200;
  };
}

/** Asks until the signal, and counts. */
export async function measure(ask: Ask, signal: AbortSignal): Promise<Served> {
  const times: number[] = [];
  let answered = 0;
  while (!signal.aborted) {
    const from = performance.now();
    if (await ask().catch(() => false)) answered += 1;
    times.push(performance.now() - from);
    await sleep(PAUSE_MILLISECONDS);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return {
    asked: times.length,
    answered,
    medianMilliseconds: Math.round(sorted[sorted.length >> 1] ?? Number.NaN),
    p99Milliseconds: Math.round(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN),
    longestMilliseconds: Math.round(sorted.at(-1) ?? Number.NaN),
  };
}

/** Seconds until ten requests in a row are answered, each within a second; undefined after `most` seconds. */
export async function recovery(ask: Ask, most: number): Promise<number | undefined> {
  const from = performance.now();
  let inARow = 0;
  let since = from;
  while (performance.now() - from < most * 1000) {
    const asked = performance.now();
    const isGood = (await ask().catch(() => false)) && performance.now() - asked < 1000;
    if (inARow === 0) since = asked;
    inARow = isGood ? inARow + 1 : 0;
    if (inARow === 10) return (since - from) / 1000;
    await sleep(50);
  }
  return undefined;
}

function otherTpp({ description }: Bank) {
  const tpp = description.tpps.find(({ name }) => name === 'money-two');
  if (tpp === undefined) throw new Error('there is no TPP');
  const tls = {
    cert: readFileSync(tpp.certificateFile, 'utf8'),
    key: readFileSync(tpp.keyFile, 'utf8'),
  };
  return { tls, clientId: tpp.clients.tls_client_auth.client_id };
}

async function tokenOf(
  tls: object,
  to: { readonly port: number; readonly host: string; readonly clientId: string },
): Promise<string | undefined> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: to.clientId,
    scope: 'accounts',
  }).toString();
  const headers = { host: to.host, 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await send({ port: to.port, path: '/token', method: 'POST', headers, body, ...tls });
  return answer.status === 200 ? String(JSON.parse(answer.text).access_token) : undefined;
}

interface Outgoing {
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isPlain?: boolean;
  readonly ca?: Buffer;
  readonly cert?: string;
  readonly key?: string;
}

function send({ body = '', isPlain = false, ...options }: Outgoing): Promise<{
  readonly status: number;
  readonly text: string;
}> {
  return new Promise((resolve, reject) => {
    const outgoing = (isPlain ? httpRequest : httpsRequest)(
      {
        host: '127.0.0.1',
        localAddress: CLIENT,
        servername: 'localhost',
        agent: false,
        ...options,
        headers: { ...options.headers, 'content-length': Buffer.byteLength(body) },
      },
      (incoming) => {
        let text = '';
        incoming.on('data', (bytes) => {
          text += String(bytes);
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.setTimeout(TIMEOUT_MILLISECONDS, () => outgoing.destroy(new Error('no answer')));
    outgoing.end(body);
  });
}

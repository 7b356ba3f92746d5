import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { bodyParser } from '@koa/bodyparser';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';
import {
  createAuthorizer,
  createMessageSignatures,
  createProtection,
  expressProtection,
  type EventName,
  fastifyProtection,
  koaProtection,
  logTo,
  type MessageSignatureOptions,
  nodeProtection,
  type RouteRequirement,
  signatureOf,
} from '../../../src/resource-server/index.ts';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import {
  AUDIENCE,
  type createTestCertificates,
  ISSUER,
  NOW,
  serveOverTls,
  type TestIssuer,
  type TestServer,
} from '../issuer.ts';
import { type SignedRequest, type SigningKey, signingKey } from './signed-request.ts';

export const GLUES = ['koa', 'express', 'fastify', 'node'] as const;
export type Glue = (typeof GLUES)[number];

export const thumbprintOf = ({ der }: IssuedCertificate) =>
  createHash('sha256').update(der).digest('base64url');
export const CLOCK = { now: () => NOW };

/** An API on each framework that answers with the body that its framework has read, and its own log. */
export async function serveGlues(
  options: MessageSignatureOptions,
  parts: {
    readonly issuer: TestIssuer;
    readonly certificates: Awaited<ReturnType<typeof createTestCertificates>>;
  },
): Promise<{ readonly servers: Readonly<Record<Glue, TestServer>>; readonly log: [EventName, unknown][] }> {
  const { issuer, certificates } = parts;
  const log: [EventName, unknown][] = [];
  const protection = createProtection({
    authorizer: createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: CLOCK,
      fetchDocument: async () => Buffer.from(await issuer.statusList([])),
    }),
    clientCertificate: { from: 'socket' },
    log: logTo((name, _definition, { error, ...fields }) =>
      log.push([name, { ...fields, code: codeOf(error) }]),
    ),
  });
  const needed: RouteRequirement = {
    scopes: ['accounts'],
    roles: ['PSP_AI'],
    signatures: createMessageSignatures(options),
  };
  const onKoa = new Koa();
  onKoa.use(koaProtection(protection, needed));
  onKoa.use(bodyParser({ enableTypes: ['text', 'json'], jsonLimit: '4mb', textLimit: '4mb' }));
  onKoa.use((ctx) => {
    ctx.body = answerTo(String(ctx.request.rawBody ?? ''), signatureOf(ctx)?.keyId);
  });
  const onExpress = express();
  onExpress.use(expressProtection(protection, needed));
  onExpress.use(express.text({ type: () => true, limit: '4mb' }));
  onExpress.use((request, response) => {
    response.json(
      answerTo(typeof request.body === 'string' ? request.body : '', signatureOf(request)?.keyId),
    );
  });
  const onFastify = fastify({ bodyLimit: 4_000_000 });
  onFastify.addHook('onRequest', fastifyProtection(protection, needed));
  onFastify.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
  onFastify.all('/*', async (request) => answerTo(String(request.body ?? ''), signatureOf(request)?.keyId));
  await onFastify.ready();
  const onNode = nodeProtection(protection, needed, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    response.setHeader('content-type', 'application/json');
    const text = JSON.stringify(answerTo(Buffer.concat(chunks).toString(), signatureOf(request)?.keyId));
    response.write(text.slice(0, 3));
    response.end(text.slice(3));
  });
  const servers = {
    koa: await serveOverTls(onKoa.callback(), certificates),
    express: await serveOverTls(onExpress, certificates),
    fastify: await serveOverTls((request, response) => onFastify.routing(request, response), certificates),
    node: await serveOverTls(onNode, certificates),
  };
  return { servers, log };
}

/** The body of every answer. A body that asks for it makes the answer large. */
function answerTo(body: string, keyId: string | undefined): Record<string, unknown> {
  const asked = /"answerBytes":(\d+)/.exec(body)?.[1];
  return {
    body,
    keyId: keyId ?? null,
    ...(asked === undefined ? {} : { filler: 'x'.repeat(Number(asked)) }),
  };
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : String(error);
}

export interface BankKey {
  readonly privateKeyPem: string;
  readonly publicKey: KeyObject;
}

export async function bankKey(): Promise<BankKey> {
  const { privateKey }: SigningKey = await signingKey('bank-1');
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: createPublicKey(privateKey),
  };
}

/** The request without a Content-Length, in pieces that arrive one after the other. */
export async function sendInChunks(
  url: string,
  { path, method, headers, body }: SignedRequest,
  { authority, one }: Awaited<ReturnType<typeof createTestCertificates>>,
): Promise<{ readonly status: number | undefined; readonly body?: unknown }> {
  const sent = httpsRequest(`${url}${path}`, {
    method,
    headers,
    ca: authority.certificatePem,
    cert: one.certificatePem,
    key: one.privateKeyPem,
    agent: false,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject);
  });
  for (let at = 0; at < body.length; at += 30_000) {
    sent.write(body.slice(at, at + 30_000));
    await setImmediate();
  }
  sent.end();
  const response = await answered;
  const answer = await json(response);
  const isEcho = typeof answer === 'object' && answer !== null && 'body' in answer;
  return { status: response.statusCode, ...(isEcho ? { body: answer.body } : {}) };
}

/** Sends half of the body, and ends the connection. */
export async function breakOff(
  url: string,
  { path, method, headers, body }: SignedRequest,
  { authority, one }: Awaited<ReturnType<typeof createTestCertificates>>,
): Promise<void> {
  const sent = httpsRequest(`${url}${path}`, {
    method,
    headers: { ...headers, 'content-length': String(body.length) },
    ca: authority.certificatePem,
    cert: one.certificatePem,
    key: one.privateKeyPem,
    agent: false,
  });
  const closed = new Promise<void>((resolve) => {
    sent.on('error', () => undefined).on('close', resolve);
  });
  sent.write(body.slice(0, body.length / 2), () => setTimeout(() => sent.destroy(), 50));
  await closed;
}

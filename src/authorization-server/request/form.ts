import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from 'koa';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { assertProofForm, hasProof } from './dpop-proof.ts';
import { ENDPOINTS } from './routes.ts';
import { assertParameters } from './parameters.ts';

/** As much as the provider reads. */
const MAX_FORM_BYTES = 56 * 1024;
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** The endpoints where a client authenticates and sends its parameters as a form. */
const FORM_ENDPOINTS: readonly string[] = [
  ENDPOINTS.token,
  ENDPOINTS.pushed_authorization_request,
  ENDPOINTS.backchannel_authentication,
  ENDPOINTS.introspection,
  ENDPOINTS.revocation,
];

/** Those where a DPoP proof counts (RFC 9449 §5, §10.1). */
const PROOF_ENDPOINTS: readonly string[] = [ENDPOINTS.token, ENDPOINTS.pushed_authorization_request];

/**
 * Refuses a request whose head changes what the form means, and which the provider would not notice: an encoding of the
 * body, another charset, parameters in the address, a scheme of HTTP authentication, a DPoP proof where none counts. Goes
 * before every reader of the body.
 *
 * @throws ERR_HTTP_CONTENT, ERR_HTTP_TRANSFER_CODING, ERR_CLIENT_METHOD, ERR_REQUEST_INVALID, ERR_PARAMETER_UNSUPPORTED,
 * ERR_DPOP_PROOF
 */
export const formHead =
  (clock: Clock): Middleware =>
  (ctx, next) => {
    if (!FORM_ENDPOINTS.includes(ctx.path)) return next();
    assertPlainBody(ctx);
    if (ctx.querystring !== '') {
      throw invalid('parameters belong into the body, not into the address (RFC 6749 section 2.3.1)');
    }
    if (ctx.headers.authorization !== undefined) {
      throw new OpenBankingError('ERR_CLIENT_METHOD', { problem: 'the request has an Authorization field' });
    }
    if (hasProof(ctx.req)) {
      if (!PROOF_ENDPOINTS.includes(ctx.path)) {
        throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name: 'DPoP' });
      }
      assertProofForm(ctx.req, clock);
    }
    return next();
  };

/** @throws ERR_HTTP_CONTENT, ERR_HTTP_TRANSFER_CODING */
function assertPlainBody(ctx: Context): void {
  const { headers } = ctx.req;
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new OpenBankingError('ERR_HTTP_TRANSFER_CODING', { problem: coding });
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    ctx.set('accept-encoding', 'identity');
    throw new OpenBankingError('ERR_HTTP_CONTENT', { problem: `content-encoding is ${encoding}` });
  }
  if (headers['content-type'] !== undefined || hasBody(ctx)) assertType(headers['content-type']);
}

/** @throws ERR_HTTP_CONTENT */
function assertType(field: string | undefined): void {
  const [type = '', ...parameters] = (field ?? '').split(';').map((part) => part.trim().toLowerCase());
  const isPlain = parameters.every((one) => one === '' || /^charset="?utf-8"?$/.test(one));
  if (type === FORM_TYPE && isPlain) return;
  const problem = field === undefined ? 'content-type is missing' : `content-type is ${field}`;
  throw new OpenBankingError('ERR_HTTP_CONTENT', { problem });
}

/**
 * Reads the form of an endpoint for TPPs, checks its parameters, and puts the bytes back for the provider. A short form
 * has arrived with the head when the gate before this step has been awaited.
 *
 * @throws ERR_HTTP_TOO_LARGE, ERR_HTTP_MALFORMED, and the codes of `assertParameters`
 */
export const checkForm: Middleware = async (ctx, next) => {
  if (FORM_ENDPOINTS.includes(ctx.path)) assertParameters(ctx.path, await readForm(ctx));
  await next();
};

/** The client that the form of a request names; undefined at an endpoint without a form. @throws as `readForm` */
export async function findNamedClient(ctx: Context): Promise<string | undefined> {
  if (!FORM_ENDPOINTS.includes(ctx.path)) return undefined;
  return (await readForm(ctx)).get('client_id') ?? undefined;
}

function hasBody(ctx: Context): boolean {
  return (ctx.request.length ?? 0) > 0 || ctx.req.headers['transfer-encoding'] !== undefined;
}

/**
 * The form of a request, whose bytes stay for the provider. Read once: every further caller gets the same one.
 *
 * @throws ERR_HTTP_CONTENT, ERR_HTTP_TRANSFER_CODING, ERR_HTTP_TOO_LARGE, ERR_HTTP_MALFORMED
 */
export async function readForm(ctx: Context): Promise<URLSearchParams> {
  const known = ctx.state.form as URLSearchParams | undefined;
  if (known !== undefined) return known;
  assertPlainBody(ctx);
  const form = new URLSearchParams((await peekBody(ctx)).toString('utf8'));
  ctx.state.form = form;
  return form;
}

/** Puts another form in the place of one that `readForm` has read. */
export function replaceForm(ctx: Context, form: URLSearchParams): void {
  ctx.state.form = form;
  const body = Buffer.from(form.toString());
  // In one turn, as in `peekBody`.
  while (read(ctx.req) !== null);
  ctx.req.unshift(body);
  if (ctx.req.headers['content-length'] !== undefined) {
    ctx.req.headers['content-length'] = String(body.length);
  }
}

async function peekBody(ctx: Context): Promise<Buffer> {
  const { req } = ctx;
  if (!hasBody(ctx)) return Buffer.alloc(0);
  const length = ctx.request.length ?? 0;
  if (length > MAX_FORM_BYTES) throw tooLarge(ctx);
  const chunks: Buffer[] = [];
  let received = 0;
  for (;;) {
    for (let chunk = read(req); chunk !== null; chunk = read(req)) {
      chunks.push(chunk);
      received += chunk.length;
      if (received > MAX_FORM_BYTES) throw tooLarge(ctx);
    }
    // In the turn of the last `read`: the stream ends in the next one, and takes nothing back after that.
    if (req.complete || (length > 0 && received === length)) {
      const body = Buffer.concat(chunks, received);
      if (received > 0) req.unshift(body);
      return body;
    }
    await readable(req);
  }
}

function read(req: IncomingMessage): Buffer | null {
  return req.read() as Buffer | null;
}

/** @throws ERR_HTTP_MALFORMED when the caller goes away before the end of the body */
function readable(req: IncomingMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => () => {
      for (const [name, listener] of listeners) req.off(name, listener);
      then();
    };
    const broken = settle(() =>
      reject(new OpenBankingError('ERR_HTTP_MALFORMED', { problem: 'the body has no end' })),
    );
    const listeners: readonly (readonly [string, () => void])[] = [
      ['readable', settle(resolve)],
      ['end', settle(resolve)],
      ['error', broken],
      ['close', broken],
    ];
    for (const [name, listener] of listeners) req.on(name, listener);
  });
}

function tooLarge(ctx: Context): OpenBankingError<'ERR_HTTP_TOO_LARGE'> {
  // The rest of the body stays unread.
  ctx.set('connection', 'close');
  return new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum: MAX_FORM_BYTES });
}

function invalid(problem: string): OpenBankingError<'ERR_REQUEST_INVALID'> {
  return new OpenBankingError('ERR_REQUEST_INVALID', { error: 'invalid_request', problem });
}

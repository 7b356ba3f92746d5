import type { Context } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import { JSON_TYPE, JWT_TYPES } from './statement-profile.ts';

/** A registration with twenty keys and as many redirect URIs, or a software statement with them, has a quarter. */
const MAX_BYTES = 64 * 1024;

/** A body of a media type that a registration may have. */
export interface RegistrationBody {
  readonly mediaType: string;
  readonly body: string;
}

/**
 * Reads the body of a registration.
 *
 * @throws ERR_HTTP_CONTENT, ERR_HTTP_TRANSFER_CODING, ERR_HTTP_TOO_LARGE, ERR_HTTP_MALFORMED
 */
export async function readRegistration(ctx: Context): Promise<RegistrationBody> {
  const { headers } = ctx.req;
  const refuse = (problem: string) => new OpenBankingError('ERR_HTTP_CONTENT', { problem });
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new OpenBankingError('ERR_HTTP_TRANSFER_CODING', { problem: coding });
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw refuse(`content-encoding is ${encoding}`);
  }
  const mediaType = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (mediaType !== JSON_TYPE && !JWT_TYPES.includes(mediaType)) {
    throw refuse(`content-type must be ${[JSON_TYPE, ...JWT_TYPES].join(' or ')}`);
  }
  const bytes = await received(ctx);
  try {
    return { mediaType, body: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw new OpenBankingError('ERR_HTTP_CONTENT', { problem: 'the body is not UTF-8' }, { cause });
  }
}

async function received(ctx: Context): Promise<Buffer> {
  if ((ctx.request.length ?? 0) > MAX_BYTES) throw tooLarge(ctx);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BYTES) throw tooLarge(ctx);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof OpenBankingError) throw cause;
    throw new OpenBankingError('ERR_HTTP_MALFORMED', { problem: 'the body has no end' }, { cause });
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(ctx: Context): OpenBankingError<'ERR_HTTP_TOO_LARGE'> {
  // The rest of the body stays unread.
  ctx.set('connection', 'close');
  return new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum: MAX_BYTES });
}

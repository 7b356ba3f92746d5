import type { Middleware } from 'koa';
import { OpenBankingError } from '../../../errors.ts';
import { readForm } from '../form.ts';
import { isPush } from '../tpp-gate.ts';

/** Deeper than any request object or claims parameter of a standard. */
const MAX_DEPTH = 16;

/**
 * Refuses a request object, or a claims parameter, that is nested deeper than one needs to be, before anything copies it:
 * copies go down level by level, and a stack ends.
 *
 * @throws ERR_REQUEST_OBJECT, ERR_CLAIMS_INVALID
 */
export const refuseNesting: Middleware = async (ctx, next) => {
  const parameters = isPush(ctx) ? await readForm(ctx) : new URLSearchParams(ctx.querystring);
  const [header = '', payload = ''] = (parameters.get('request') ?? '').split('.');
  const problem = `it is nested deeper than ${MAX_DEPTH} levels`;
  if ([header, payload].some((part) => isDeep(Buffer.from(part, 'base64url').toString()))) {
    throw new OpenBankingError('ERR_REQUEST_OBJECT', { problem });
  }
  if (isDeep(parameters.get('claims') ?? '')) throw new OpenBankingError('ERR_CLAIMS_INVALID', { problem });
  return next();
};

/** Counts brackets outside of strings, in one pass: text that is no JSON is refused elsewhere. */
function isDeep(json: string): boolean {
  let depth = 0;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth += 1;
    if (token === ']' || token === '}') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

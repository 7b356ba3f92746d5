import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerText } from '../../answer-text.ts';
import { OpenBankingError } from '../../errors.ts';

const OVERLOADED = answerText(new OpenBankingError('ERR_SERVER_OVERLOADED', {}));
const JSON_ANSWER = Buffer.from(
  JSON.stringify({ error: 'temporarily_unavailable', error_description: OVERLOADED }),
);
/** A page that asks for itself again. */
const PAGE = Buffer.from(
  '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    '<meta http-equiv="refresh" content="3"><title>One moment, please</title>' +
    '<body style="font:1.1rem/1.5 sans-serif;margin:3rem 1rem;text-align:center">' +
    '<h1>One moment, please</h1><p>Many people use this service now. The page tries again by itself.</p></html>',
);
const RETRY_SECONDS = '1';

/** The answer to a request that was not admitted. As little work as an answer can be: written from ready bytes. */
export function refuseOverload(request: IncomingMessage, response: ServerResponse): void {
  const isPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
  const body = isPage ? PAGE : JSON_ANSWER;
  request.resume();
  response.sendDate = false;
  response.writeHead(503, {
    'content-type': isPage ? 'text/html; charset=utf-8' : 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
    'retry-after': RETRY_SECONDS,
  });
  response.end(body);
}

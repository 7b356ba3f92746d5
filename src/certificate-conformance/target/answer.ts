import {
  type Exchange,
  exchange,
  type ExchangeFailure,
  type ExchangeOptions,
  type HttpAnswer,
} from './exchange.ts';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * `refused`: clearly. `unclear`: nothing was granted, and nothing was refused in a way on which a TPP could act, such as
 * a fault of the server or a connection that ends without a word. `unknown`: nothing about the certificate.
 */
export interface Answer {
  readonly verdict: 'accepted' | 'refused' | 'unclear' | 'late' | 'unknown';
  /** For people: one line. */
  readonly text: string;
  /** The members of a JSON answer. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** The member of a JSON answer that means success, or any answer that is no error. */
export type Success = 'access_token' | 'request_uri' | 'any 2xx';

const REFUSALS = [400, 401, 403];
/** OAuth errors that are about the server, whatever their status. */
const FAULTS = ['server_error', 'temporarily_unavailable', 'unsupported_grant_type'];
const MAX_WAIT_SECONDS = 10;
const MAX_TEXT = 300;

/** Sends a request and judges its answer. A server that asks to wait is asked once more, after at most ten seconds. */
export async function ask(
  request: () => Promise<Exchange> | Exchange,
  success: Success,
  options: ExchangeOptions,
): Promise<Answer> {
  const first = await exchange(await request(), options);
  if (!isLimit(first)) return judged(first, success);
  const seconds = Number(first.headers['retry-after'] ?? 1);
  await sleep(Math.min(Number.isFinite(seconds) ? seconds : 1, MAX_WAIT_SECONDS) * 1000);
  return judged(await exchange(await request(), options), success);
}

function isLimit(answer: HttpAnswer | ExchangeFailure): answer is HttpAnswer {
  if ('failure' in answer) return false;
  return answer.status === 429 || (answer.status === 503 && answer.headers['retry-after'] !== undefined);
}

/** Judges an answer: what is not clearly accepted or refused is neither. */
export function judged(answer: HttpAnswer | ExchangeFailure, success: Success): Answer {
  if ('failure' in answer) return { verdict: verdictOfFailure(answer), text: answer.text, json: {} };
  const json = membersOf(answer);
  const text = textOf(answer, json);
  return { verdict: verdictOf(answer.status, json, success), text, json };
}

function verdictOfFailure({ failure }: ExchangeFailure): Answer['verdict'] {
  switch (failure) {
    case 'alert':
    case 'closed-in-handshake':
      return 'refused';
    case 'late':
      return 'late';
    case 'closed':
    case 'unreachable':
    case 'untrusted-server':
      return 'unclear';
    case 'local':
      return 'unknown';
  }
}

function verdictOf(status: number, json: Answer['json'], success: Success): Answer['verdict'] {
  if (status >= 200 && status < 300) {
    return success === 'any 2xx' || typeof json[success] === 'string' ? 'accepted' : 'unclear';
  }
  if (status === 429) return 'unknown';
  if (FAULTS.includes(String(json.error))) return 'unclear';
  const isOauthRefusal =
    success !== 'any 2xx' && status >= 400 && status < 500 && typeof json.error === 'string';
  return REFUSALS.includes(status) || isOauthRefusal ? 'refused' : 'unclear';
}

function membersOf({ headers, body }: HttpAnswer): Answer['json'] {
  if (headers['content-type']?.includes('json') !== true) return {};
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Never a token: of a success only the names of its members. */
function textOf({ status, headers, body }: HttpAnswer, json: Answer['json']): string {
  if (status >= 200 && status < 300) {
    const names = Object.keys(json).slice(0, 6).join(', ');
    return oneLine(`HTTP ${status}${names === '' ? '' : ` (${names})`}`);
  }
  if (typeof json.error === 'string') {
    const { error, error_description: description = '' } = json;
    return oneLine(`HTTP ${status} ${error}: ${String(description)}`);
  }
  const challenge = headers['www-authenticate'];
  if (challenge !== undefined) return oneLine(`HTTP ${status}, ${challenge}`);
  const title = /<title>([^<]*)<\/title>/i.exec(body)?.[1] ?? '';
  return oneLine(`HTTP ${status}${title === '' ? '' : `, "${title}"`}`);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replace(/: $/, '').slice(0, MAX_TEXT);
}

import { parentPort } from 'node:worker_threads';
import { type ErrorCode, type ErrorDetails, isRefusal } from '../errors.ts';
import { prove, type ProvedListOfLists, type ProvedNationalList, type ProvingTask } from './proving.ts';

/** The answer to a task. Refusals are sent as facts: an error loses its class between threads. */
export type ProvingReply =
  | { readonly proved: ProvedListOfLists | ProvedNationalList }
  | { readonly code: ErrorCode; readonly details: ErrorDetails[ErrorCode] };

function replyTo(task: ProvingTask): ProvingReply {
  try {
    return { proved: prove(task) };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { code: error.code, details: error.details };
  }
}

parentPort?.on('message', (task: ProvingTask) => parentPort?.postMessage(replyTo(task)));

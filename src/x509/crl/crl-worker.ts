import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorDetails, isRefusal } from '../../errors.ts';
import { parseAnchor } from '../certificate/certificate.ts';
import { type CrlParts, indexCrl } from './crl-index.ts';

/** The message to the worker. */
export interface CrlTask {
  readonly der: Uint8Array;
  /** DER of certificates. */
  readonly signers: readonly Uint8Array[];
}

/** Its only answer. Refusals are sent as facts: an error loses its class between threads. */
export type CrlReply =
  | { readonly parts: CrlParts }
  | { readonly malformed: ErrorDetails['ERR_CRL_MALFORMED'] }
  | { readonly untrusted: ErrorDetails['ERR_CRL_UNTRUSTED'] };

function replyTo({ der, signers }: CrlTask): CrlReply {
  try {
    // Certificates of a verified path, whose key alone counts here; one of them may be an anchor.
    return { parts: indexCrl(der, signers.map(parseAnchor)).parts };
  } catch (error) {
    if (isRefusal(error, 'ERR_CRL_MALFORMED')) return { malformed: error.details };
    if (isRefusal(error, 'ERR_CRL_UNTRUSTED')) return { untrusted: error.details };
    throw error;
  }
}

const reply = replyTo(workerData);
const buffers =
  'parts' in reply ? reply.parts.buckets.flatMap(({ ends, records }) => [ends.buffer, records.buffer]) : [];
parentPort?.postMessage(reply, buffers);

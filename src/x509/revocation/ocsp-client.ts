import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { keptName } from '../../remote/kept-folder.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { type OcspResponse, ocspStatus, parseOcspResponse, writeOcspRequest } from '../ocsp/ocsp.ts';
import { assertListed, type RevocationIo } from './revocation-io.ts';
import { type CheckedCertificate, ocspUrls } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import {
  invalidEvidence,
  isUnproven,
  noEvidence,
  type ProvenStatus,
  problemOf,
  type UnprovenStatus,
  unproven,
} from './revocation-refusal.ts';
import type { RevocationStatus } from '../certificate/revocation-status.ts';

export interface OcspClientOptions {
  readonly io: RevocationIo;
  readonly clock: Clock;
  readonly log: Log;
  /** The status by CRL of a delegated responder whose certificate does not have nocheck. */
  readonly delegateStatus: (
    delegate: Certificate,
    about: CheckedCertificate,
    policy: RevocationPolicy,
  ) => Promise<RevocationStatus | undefined>;
}

/** RFC 9654 §2.1. */
const NONCE_BYTES = 32;

/** Asks the OCSP responders of certificates. */
export class OcspClient {
  readonly #options: OcspClientOptions;

  constructor(options: OcspClientOptions) {
    this.#options = options;
  }

  /**
   * Asks the responders of a certificate, one after another, and proves the answer.
   *
   * @throws ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
   */
  async ask(about: CheckedCertificate, policy: RevocationPolicy): Promise<ProvenStatus> {
    const problems: UnprovenStatus[] = [];
    for (const url of ocspUrls(about, policy)) {
      try {
        // One after another: the second is asked only when the first proves nothing.
        return await this.#askAt(url, about, policy);
      } catch (error) {
        if (!isUnproven(error)) throw error;
        problems.push(error);
      }
    }
    throw unproven(about.certificate, problems);
  }

  /** The status that the kept answer still proves. */
  async recall(about: CheckedCertificate, policy: RevocationPolicy): Promise<ProvenStatus | undefined> {
    const { io, log } = this.#options;
    const bytes = policy.ocsp.nonce === 'required' ? undefined : await io.folder.load(fileOf(about));
    if (bytes === undefined) return undefined;
    try {
      const status = await this.#judge(parseOcspResponse(bytes), about, { policy });
      return status.status === 'unknown' ? undefined : status;
    } catch (error) {
      if (!isRefusal(error, 'ERR_OCSP_MALFORMED')) throw error;
      log.emit('revocation.kept.refused', { file: fileOf(about), error });
      return undefined;
    }
  }

  async #askAt(url: string, about: CheckedCertificate, policy: RevocationPolicy): Promise<ProvenStatus> {
    const { certificate } = about;
    const { io } = this.#options;
    const nonce = policy.ocsp.nonce === 'not-sent' ? undefined : randomBytes(NONCE_BYTES);
    const request = writeOcspRequest(about, { hash: policy.certIdHash, nonce });
    const { bytes, response } = await this.#fetch(url, request, policy).catch((error: unknown) => {
      throw noEvidence(certificate, `ocsp: ${problemOf(error)}`);
    });
    if (response.responseStatus !== 'successful') {
      throw noEvidence(certificate, `ocsp: the responder says ${response.responseStatus}`);
    }
    const status = await this.#judge(response, about, { policy, nonce });
    if (status.status === 'unknown') throw invalidEvidence(certificate, `ocsp: ${status.problem}`);
    // An answer to the nonce of this request proves nothing to the next process.
    if (policy.ocsp.nonce !== 'required') await io.folder.keep(fileOf(about), bytes);
    return status;
  }

  async #fetch(url: string, request: Buffer, policy: RevocationPolicy) {
    assertListed(url, policy);
    const bytes = await this.#options.io.askOcsp(url, request);
    return { bytes, response: parseOcspResponse(bytes) };
  }

  async #judge(
    response: OcspResponse,
    about: CheckedCertificate,
    { policy, nonce }: { readonly policy: RevocationPolicy; readonly nonce?: Buffer | undefined },
  ): Promise<RevocationStatus> {
    const options = { ...about, at: this.#options.clock.now(), policy: policy.ocsp, nonce };
    let asked: Certificate | undefined;
    const note = (delegate: Certificate) => {
      asked = delegate;
      return undefined;
    };
    const status = ocspStatus(response, { ...options, delegateStatus: note });
    if (asked === undefined) return status;
    const own = await this.#options.delegateStatus(asked, about, policy);
    return ocspStatus(response, { ...options, delegateStatus: () => own });
  }
}

function fileOf({ key }: CheckedCertificate): string {
  return keptName(`${key.issuerKeyHash} ${key.serialNumber}`, 'ocsp');
}

import type { Clock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { KeyPair } from '../../mutual-tls/key-pair.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
import { keptName } from '../../remote/kept-folder.ts';
import { type Certificate, parseAnchor, parseCertificate } from '../../x509/certificate/certificate.ts';
import { readCertificateFile } from '../../x509/certificate/certificate-file.ts';
import { namesEqual } from '../../x509/certificate/distinguished-name.ts';
import { isSignedBy } from '../../x509/certificate/signature.ts';
import { ocspStatus, parseOcspResponse, writeOcspRequest } from '../../x509/ocsp/ocsp.ts';
import { RevocationIo, type RevocationIoOptions } from '../../x509/revocation/revocation-io.ts';
import { namedOcspUrls, revocationKey } from '../../x509/revocation/revocation-pointers.ts';
import { invalidEvidence, revoked } from '../../x509/revocation/revocation-refusal.ts';

export interface OcspStapleOptions extends Omit<RevocationIoOptions, 'log' | 'clock'> {
  /** The file of the certificate, for the log. */
  readonly certificateFile: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** An answer about the certificate in use, and the times between which it may be shown. */
interface Answer {
  readonly bytes: Buffer;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/** The certificate in use, its issuer, and the responders that it names. */
interface Subject {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
  readonly urls: readonly string[];
}

/** After an attempt that gave nothing, at the latest. */
const RETRY_SECONDS = 300;
/** Public responders sign for days, those of a test for a minute. */
const SHORTEST_SECONDS = 5;
const LONGEST_SECONDS = 12 * 3600;
/** An answer that ends so soon is not shown: the clocks of clients differ. */
const MARGIN_SECONDS = 5;

/**
 * The OCSP answer about the certificate of this server, which its handshakes show to clients that ask for it (RFC 6066 §8): asked for
 * ahead, at half of its life, proved as an answer about a TPP is, and never shown after its end. The last good answer
 * stays while no new one can be had, over a restart too where the answers of revocation are kept in a folder.
 */
export class OcspStaple {
  readonly #options: OcspStapleOptions;
  readonly #io: RevocationIo;
  #subject: Subject | undefined;
  #answer: Answer | undefined;
  #loop: BackgroundLoop | undefined;

  constructor(options: OcspStapleOptions) {
    this.#options = options;
    this.#io = new RevocationIo(options);
  }

  /** From now on the answer is about this certificate. */
  use(pair: KeyPair): void {
    const before = this.#subject;
    this.#subject = findSubject(pair);
    const isSame = this.#subject?.certificate.thumbprint === before?.certificate.thumbprint;
    if (isSame && this.#loop !== undefined) return;
    this.#answer = undefined;
    void this.#loop?.close();
    this.#loop = this.#subject === undefined ? undefined : new BackgroundLoop(0, () => this.#turn());
  }

  /** The DER of an OCSPResponse for a handshake with this certificate; undefined where none may be shown now. */
  answerFor(certificateDer: Buffer): Buffer | undefined {
    const answer = this.#answer;
    if (answer === undefined || this.#subject?.certificate.der.equals(certificateDer) !== true)
      return undefined;
    return this.#secondsLeft(answer) > MARGIN_SECONDS ? answer.bytes : undefined;
  }

  async close(): Promise<void> {
    await Promise.all([this.#loop?.close(), this.#io.close()]);
  }

  async #turn(): Promise<number> {
    const subject = this.#subject;
    if (subject === undefined) return LONGEST_SECONDS;
    try {
      const kept = await this.#kept(subject);
      const answer = kept !== undefined && this.#restSeconds(kept) > 0 ? kept : await this.#fetch(subject);
      // Another certificate may have come into use.
      if (this.#subject === subject) this.#answer = answer;
      return Math.min(Math.max(this.#restSeconds(answer), SHORTEST_SECONDS), LONGEST_SECONDS);
    } catch (error) {
      this.#report(error, subject);
      // Several attempts before the answer in use ends.
      const left = this.#answer === undefined ? RETRY_SECONDS : this.#secondsLeft(this.#answer) / 4;
      return Math.max(Math.min(left, RETRY_SECONDS), SHORTEST_SECONDS);
    }
  }

  /** The answer that another process or an earlier start has kept. */
  async #kept(subject: Subject): Promise<Answer | undefined> {
    const bytes = await this.#io.folder.load(fileOf(subject));
    if (bytes === undefined) return undefined;
    try {
      const answer = this.#proved(bytes, subject);
      // The last good answer is shown while a newer one is asked for.
      if (this.#subject === subject) this.#answer ??= answer;
      return answer;
    } catch {
      return undefined;
    }
  }

  async #fetch(subject: Subject): Promise<Answer> {
    // Without a nonce, so that the responder may answer from its cache (RFC 5019 §4).
    const request = writeOcspRequest(subject, { hash: 'sha1' });
    let problem: unknown;
    for (const url of subject.urls) {
      try {
        const bytes = await this.#io.askOcsp(url, request);
        const answer = this.#proved(bytes, subject);
        await this.#io.folder.keep(fileOf(subject), bytes);
        return answer;
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }

  /** @throws ERR_OCSP_MALFORMED, ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOKED */
  #proved(bytes: Buffer, subject: Subject): Answer {
    const status = ocspStatus(parseOcspResponse(bytes), { ...subject, at: this.#options.clock.now() });
    if (status.status === 'revoked') throw revoked(subject.certificate, status);
    const { nextUpdate } = status.status === 'good' ? status : {};
    if (status.status === 'unknown' || nextUpdate === undefined) {
      throw invalidEvidence(subject.certificate, status.status === 'unknown' ? status.problem : 'no end');
    }
    return { bytes, thisUpdate: status.thisUpdate, nextUpdate };
  }

  #secondsLeft({ nextUpdate }: Answer): number {
    return (nextUpdate.getTime() - this.#options.clock.now().getTime()) / 1000;
  }

  /** Seconds until half of the life of an answer is over; negative afterwards. */
  #restSeconds({ thisUpdate, nextUpdate }: Answer): number {
    const half = (thisUpdate.getTime() + nextUpdate.getTime()) / 2;
    return (half - this.#options.clock.now().getTime()) / 1000;
  }

  #report(error: unknown, { certificate }: Subject): void {
    const { log, certificateFile: file } = this.#options;
    if (isRefusal(error, 'ERR_CERT_REVOKED')) {
      this.#answer = undefined;
      log.emit('key-pair.revoked', { file, certificateSerial: certificate.serialNumber, error });
    } else log.emit('key-pair.staple.failed', { file, error });
  }
}

/** The certificate with its issuer and its responders; undefined where one of them cannot be read. */
function findSubject({ certificatePem, certificateDer, issuersPem }: KeyPair): Subject | undefined {
  const text = `${certificatePem}\n${issuersPem}`;
  const parse = (der: Uint8Array) => (certificateDer.equals(der) ? parseCertificate(der) : parseAnchor(der));
  const { certificates } = readCertificateFile(text, parse);
  const certificate = certificates.find(({ der }) => der.equals(certificateDer));
  if (certificate === undefined) return undefined;
  const issuer = certificates.find(
    (one) => namesEqual(one.subject, certificate.issuer) && isSignedBy(certificate, one.publicKey),
  );
  const urls = namedOcspUrls(certificate);
  return issuer === undefined || urls.length === 0 ? undefined : { certificate, issuer, urls };
}

function fileOf({ certificate, issuer }: Subject): string {
  const { issuerKeyHash, serialNumber } = revocationKey(certificate, issuer);
  return keptName(`staple ${issuerKeyHash} ${serialNumber}`, 'ocsp');
}

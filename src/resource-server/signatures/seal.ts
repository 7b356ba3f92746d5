import { isRefusal, OpenBankingError } from '../../errors.ts';
import { parseQcStatements } from '../../tpp/qc-statements.ts';
import { ATTRIBUTE } from '../../x509/certificate/attribute-types.ts';
import {
  type Certificate,
  EXTENSION,
  parseAnchor,
  parseCertificate,
  parsePem,
} from '../../x509/certificate/certificate.ts';
import { findAttribute, shownName } from '../../x509/certificate/distinguished-name.ts';
import { type PathPolicy, verifyPath } from '../../x509/path/path.ts';
import type { Authorization } from '../token/access-token.ts';

/**
 * Decides about the certificate of a seal, in DER: its path, revocation, whatever the bank needs.
 *
 * @throws for a certificate that must not be used
 */
export type SealCheck = (certificate: Uint8Array, authorization: Authorization) => void | Promise<void>;

/** Which certificates for seals are trusted: those of some CAs, or those that a function of the bank accepts; at best both. */
export interface SealTrust {
  /** CAs in PEM, from which a path must lead to the certificate. */
  readonly anchorsPem?: string;
  /** Issuing CAs that TPPs do not send along. */
  readonly intermediatesPem?: string;
  readonly check?: SealCheck;
}

/** No standard asks seals for a purpose, and CAs write any of these; absent is usual. */
const PURPOSES = ['1.3.6.1.5.5.7.3.36', '1.3.6.1.4.1.311.10.3.12', '1.3.6.1.5.5.7.3.4', '1.3.6.1.5.5.7.3.2'];

/**
 * Proves that a certificate is a seal of the TPP of the token: a qualified certificate for seals (QcType), whose one
 * organizationIdentifier is the authorization number of the token, with a path to an anchor.
 *
 * Does not check revocation: `check` may.
 */
export class SealVerifier {
  readonly #anchors: readonly Certificate[] | undefined;
  readonly #intermediates: readonly Certificate[];
  readonly #check: SealCheck | undefined;

  /** @throws TypeError without anchors and without a check */
  constructor({ anchorsPem, intermediatesPem, check }: SealTrust) {
    if (anchorsPem === undefined && check === undefined) {
      throw new TypeError('seals needs anchorsPem or check: no certificate would be checked');
    }
    this.#anchors = anchorsPem === undefined ? undefined : parsePem(anchorsPem).map(parseAnchor);
    this.#intermediates =
      intermediatesPem === undefined ? [] : parsePem(intermediatesPem).map(parseCertificate);
    this.#check = check;
  }

  /** @throws ERR_SIGNATURE_SEAL, and ERR_SIGNATURE_KEYS_UNAVAILABLE when the check of the bank fails */
  async verify(der: Uint8Array, authorization: Authorization, at: Date): Promise<Certificate> {
    const certificate = refusingSeal(() => parseCertificate(der));
    assertSeal(certificate);
    assertSameTpp(certificate, authorization);
    if (at < certificate.notBefore || at > certificate.notAfter)
      throw wrongSeal('the certificate is out of date');
    if (certificate.keyProblem !== undefined) throw wrongSeal('the key of the certificate is too weak');
    if (this.#anchors !== undefined) this.#verifyPath(certificate, this.#anchors, at);
    await this.#ask(certificate.der, authorization);
    return certificate;
  }

  #verifyPath(certificate: Certificate, anchors: readonly Certificate[], at: Date): void {
    const stated = PURPOSES.find((purpose) => certificate.extendedKeyUsage?.includes(purpose));
    const policy: PathPolicy = {
      keyPurpose: stated ?? PURPOSES[0] ?? '',
      absentExtendedKeyUsage: 'allow',
      anchors: 'constraints',
      understoodExtensions: [EXTENSION.qcStatements],
    };
    refusingSeal(() => verifyPath(certificate, { anchors, intermediates: this.#intermediates, at, policy }));
  }

  async #ask(der: Uint8Array, authorization: Authorization): Promise<void> {
    try {
      await this.#check?.(der, authorization);
    } catch (cause) {
      if (isRefusal(cause)) throw wrongSeal(cause.message, cause);
      const { clientId } = authorization;
      throw new OpenBankingError('ERR_SIGNATURE_KEYS_UNAVAILABLE', { clientId }, { cause });
    }
  }
}

/** EN 319 412-5 cl. 4.2.3: a certificate for websites or for people seals nothing. */
function assertSeal({ extensions, subject }: Certificate): void {
  const extension = extensions.get(EXTENSION.qcStatements);
  if (extension === undefined) throw wrongSeal('the certificate has no QCStatements');
  const { types } = refusingSeal(() => parseQcStatements(extension.value, shownName(subject)));
  if (!types.includes('eseal')) throw wrongSeal('the QcType of the certificate is not eseal');
}

function assertSameTpp({ subject }: Certificate, { authorizationNumber }: Authorization): void {
  const [identifier, more] = findAttribute(subject, ATTRIBUTE.organizationIdentifier);
  if (authorizationNumber === undefined) throw wrongSeal('the token names no TPP');
  if (identifier !== authorizationNumber || more !== undefined) {
    throw wrongSeal(`the certificate is of ${identifier ?? 'no TPP'}, the token of ${authorizationNumber}`);
  }
}

function refusingSeal<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    throw wrongSeal(cause.message, cause);
  }
}

export function wrongSeal(problem: string, cause?: unknown): OpenBankingError<'ERR_SIGNATURE_SEAL'> {
  return new OpenBankingError('ERR_SIGNATURE_SEAL', { problem }, { cause });
}

import { constants, verify } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate/certificate.ts';
import { fieldsNamed, type RequestFacts } from '../token/presented-token.ts';
import { verifyDigest, wrongDigest } from './content-digest.ts';
import { type SealVerifier, wrongSeal } from './seal.ts';
import { type AgeRules, verifyAge } from './signature-age.ts';
import { wrongAlgorithm } from './signature-algorithm.ts';
import { assertCovered, fieldValue, wrongCoverage } from './signature-base.ts';
import type { ReceivedRequest, SignatureFormat, SignedBy, VerifiedSignature } from './signature-format.ts';

export interface BerlinRules extends AgeRules {
  readonly seals: SealVerifier;
  /** Fields that must be covered besides those of the guidelines, such as `(request-target)` and `date`. */
  readonly covers: readonly string[];
}

/** The parameters of the Signature field, in the words of the draft. */
type Parameters = Readonly<Record<'keyId' | 'algorithm' | 'headers' | 'signature', string>>;

const NAMES = ['keyId', 'algorithm', 'headers', 'signature'] as const;
const ALWAYS = ['digest', 'x-request-id'];
const WHEN_PRESENT = ['psu-id', 'psu-corporate-id', 'tpp-redirect-uri', 'date'];
const PARAMETER = /^([A-Za-z]+)="([^"]*)"$/;
const DIGEST = /^(sha-256|sha-512)=([A-Za-z0-9+/]+={0,2})$/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const PEM_LABELS = /^-----BEGIN CERTIFICATE-----\s*|\s*-----END CERTIFICATE-----$/g;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Signatures of the Berlin Group's NextGenPSD2 Implementation Guidelines 1.3, chapter 12 (draft-cavage-http-signatures,
 * version 10): `Digest`, `Signature` and the seal in `TPP-Signature-Certificate`.
 *
 * The guidelines cover neither method nor address nor access token; `covers` can demand `(request-target)`. A request
 * without `Date` has no age. Answers are not signed.
 */
export class BerlinSignatures implements SignatureFormat {
  readonly #rules: BerlinRules;

  constructor(rules: BerlinRules) {
    this.#rules = rules;
  }

  isSigned({ rawHeaders }: RequestFacts): boolean {
    return ['signature', 'tpp-signature-certificate'].some(
      (name) => fieldsNamed(rawHeaders, name).length > 0,
    );
  }

  isNeeded(): boolean {
    return true;
  }

  async verifyRequest(
    request: ReceivedRequest,
    { authorization, now }: SignedBy,
  ): Promise<VerifiedSignature> {
    const parameters = readParameters(onlyField(request, 'signature'));
    const covered = coveredFields(parameters.headers);
    const present = WHEN_PRESENT.filter((name) => fieldValue(request, name) !== undefined);
    assertCovered([...ALWAYS, ...present, ...this.#rules.covers], covered);
    const staleFrom = verifyDate(request, now, this.#rules);
    const der = readCertificate(onlyField(request, 'tpp-signature-certificate'));
    const certificate = await this.#rules.seals.verify(der, authorization, new Date(now * 1000));
    verifyKeyId(parameters.keyId, certificate);
    const signed = Buffer.from(covered.map((name) => lineOf(request, name)).join('\n'), 'latin1');
    verifySignature(parameters, certificate, signed);
    verifyDigests(onlyField(request, 'digest'), request.body);
    return {
      keyId: certificate.serialNumber,
      covered,
      uniqueName: fieldValue(request, 'x-request-id'),
      staleFrom,
    };
  }
}

function onlyField({ rawHeaders }: RequestFacts, name: string): string {
  const [field, more] = fieldsNamed(rawHeaders, name);
  if (field === undefined) throw malformed(`${name} is missing`);
  if (more !== undefined) throw malformed(`${name} is there twice`);
  return field.trim();
}

/** `keyId="SN=9FA1,CA=CN=…",algorithm="rsa-sha256",headers="digest x-request-id",signature="…"`: each once. */
function readParameters(field: string): Parameters {
  const found = new Map<string, string>();
  for (const part of field.split(/,\s*(?=[A-Za-z]+="[^"]*"(?:,|$))/)) {
    const [, name = '', value = ''] = PARAMETER.exec(part.trim()) ?? [];
    if (!NAMES.some((one) => one === name))
      throw malformed(`signature: '${part.slice(0, 40)}' is not supported`);
    if (found.has(name)) throw malformed(`signature: ${name} is there twice`);
    found.set(name, value);
  }
  const [keyId, algorithm, headers, signature] = NAMES.map((name) => found.get(name));
  if (keyId === undefined || algorithm === undefined || headers === undefined || signature === undefined) {
    throw malformed(`signature must have ${NAMES.join(', ')}`);
  }
  return { keyId, algorithm, headers, signature };
}

function coveredFields(headers: string): readonly string[] {
  const names = headers.split(' ');
  const wrong = names.find((name) => !/^(?:[a-z0-9-]+|\(request-target\))$/.test(name));
  if (wrong !== undefined) throw wrongCoverage(`'${wrong.slice(0, 40)}' is not supported`);
  const repeated = names.find((name, at) => names.indexOf(name) !== at);
  if (repeated !== undefined) throw wrongCoverage(`'${repeated}' is covered twice`);
  return names;
}

/** draft-cavage-http-signatures-10 §2.3. */
function lineOf(request: RequestFacts, name: string): string {
  if (name === '(request-target)') return `${name}: ${request.method.toLowerCase()} ${request.url}`;
  const value = fieldValue(request, name);
  if (value === undefined) throw wrongCoverage(`'${name}' is covered but not in the message`);
  return `${name}: ${value}`;
}

function verifyDate(request: RequestFacts, now: number, rules: AgeRules): number | undefined {
  const date = fieldValue(request, 'date');
  if (date === undefined) return undefined;
  const created = HTTP_DATE.test(date) ? Date.parse(date) / 1000 : Number.NaN;
  return verifyAge(created, { name: 'date', now }, rules);
}

/** Base64 of the DER, or PEM on one line, as some TPPs send it. */
function readCertificate(field: string): Buffer {
  const text = field.replaceAll(PEM_LABELS, '').trim();
  const der = Buffer.from(text, 'base64');
  if (!BASE64.test(text) || der.toString('base64') !== text) throw wrongSeal('the certificate is no base64');
  return der;
}

/** The serial number names the certificate; its issuer is proved by the path, whatever spelling the TPP chose. */
function verifyKeyId(keyId: string, { serialNumber }: Certificate): void {
  const [, claimed = ''] = /^SN=([0-9A-Fa-f]+),\s*CA=.+$/.exec(keyId) ?? [];
  const plain = (text: string) => text.toLowerCase().replace(/^0+/, '');
  if (claimed === '' || plain(claimed) !== plain(serialNumber)) {
    throw wrongSeal(`keyId must be SN=${serialNumber},CA=…, as in the certificate`);
  }
}

function verifySignature(
  { algorithm, signature, keyId }: Parameters,
  { publicKey: key }: Certificate,
  signed: Uint8Array,
): void {
  const bytes = Buffer.from(signature, 'base64');
  if (!BASE64.test(signature) || bytes.toString('base64') !== signature)
    throw malformed('signature is no base64');
  const [, kind, hash] = /^(rsa|ecdsa)-(sha256|sha512)$/.exec(algorithm) ?? [];
  const type = kind === 'ecdsa' ? 'ec' : kind;
  if (hash === undefined || key.asymmetricKeyType !== type) {
    throw wrongAlgorithm(`${algorithm.slice(0, 40)} with a key for ${key.asymmetricKeyType ?? 'nothing'}`);
  }
  const options = type === 'rsa' ? { padding: constants.RSA_PKCS1_PADDING } : { dsaEncoding: 'der' as const };
  if (!verify(hash, signed, { key, ...options }, bytes)) {
    throw new OpenBankingError('ERR_SIGNATURE_INVALID', { keyId: keyId.slice(0, 100) });
  }
}

/** RFC 3230: `SHA-256=…`, or several, of which each must be right. */
function verifyDigests(field: string, body: Uint8Array): void {
  for (const part of field.split(',')) {
    const [, algorithm = '', text = ''] = DIGEST.exec(part.trim()) ?? [];
    const digest = Buffer.from(text, 'base64');
    if (text === '' || digest.toString('base64') !== text) {
      throw wrongDigest(`'${part.trim().slice(0, 40)}' is not supported: SHA-256 and SHA-512 are`);
    }
    verifyDigest(algorithm.toLowerCase(), digest, body);
  }
}

function malformed(problem: string): OpenBankingError<'ERR_SIGNATURE_MALFORMED'> {
  return new OpenBankingError('ERR_SIGNATURE_MALFORMED', { problem });
}

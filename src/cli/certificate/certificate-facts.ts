import { createHash, type KeyObject } from 'node:crypto';
import {
  type OrganizationIdentifier,
  parseOrganizationIdentifier,
} from '../../tpp/organization-identifier.ts';
import { EXTENSION, parseCertificate } from '../../x509/certificate/certificate.ts';
import {
  contextTag,
  DerReader,
  decodeCount,
  decodeInteger,
  type Element,
  readAll,
  TAG,
} from '../../x509/der/der.ts';
import { readTime } from '../../x509/der/der-time.ts';
import {
  ATTRIBUTE,
  type DistinguishedName,
  findAttribute,
  formatName,
  readName,
} from '../../x509/certificate/distinguished-name.ts';
import { findKeyWeakness } from '../../x509/certificate/key-strength.ts';
import { parsePublicKey } from '../../x509/certificate/public-key.ts';
import { readSignatureAlgorithm } from '../../x509/certificate/signature.ts';
import { describeExtension } from './extension-facts.ts';
import { findOidName } from './object-identifiers.ts';
import { type ReadingProblem, ReadingProblems } from './reading-problems.ts';
import { type QcStatementsFacts, readStatementFacts } from './statement-facts.ts';

export interface ExtensionFacts {
  readonly oid: string;
  readonly name?: string;
  readonly critical: boolean;
  readonly values: readonly string[];
}

/** Every readable fact of a certificate. A part that cannot be read is left out and named in `problems`. */
export interface CertificateFacts {
  readonly subject?: string;
  readonly issuer?: string;
  readonly serialNumber?: string;
  readonly version?: number;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly publicKey?: { readonly text: string; readonly spkiSha256: string; readonly weakness?: string };
  readonly signatureAlgorithm?: { readonly name: string; readonly isAccepted: boolean };
  readonly organizationIdentifier?: OrganizationIdentifier | { readonly text: string };
  /** base64url, as tokens are bound to it (RFC 8705 §3.1), and hexadecimal, as people compare it. */
  readonly thumbprint: { readonly 'x5t#S256': string; readonly sha256: string };
  readonly extensions: readonly ExtensionFacts[];
  readonly qcStatements?: QcStatementsFacts;
  readonly problems: readonly ReadingProblem[];
}

/** Reads the readable parts of any bytes; never throws for them. */
export function readCertificateFacts(der: Buffer): CertificateFacts {
  const problems = new ReadingProblems();
  const fields = walk(der, problems);
  const subject = nameOf('subject', fields.subject, problems);
  const extensions = fields.extensions.map((one) => extensionFacts(one, problems));
  const statements = fields.extensions.find(({ oid }) => oid === EXTENSION.qcStatements);
  const facts = {
    ...written('subject', subject),
    ...written('issuer', nameOf('issuer', fields.issuer, problems)),
    ...present('serialNumber', serialOf(fields.serial, problems)),
    ...present('version', fields.version),
    ...validityOf(fields.validity, problems),
    ...present('publicKey', publicKeyOf(fields.publicKey, problems)),
    ...present('signatureAlgorithm', signatureOf(fields.algorithm, problems)),
    ...present('organizationIdentifier', identifierOf(subject, problems)),
    extensions,
    ...(statements === undefined ? {} : { qcStatements: readStatementFacts(statements.value, problems) }),
  };
  // The strict parser has the last word: it knows rules that bind several parts.
  problems.attempt('certificate', () => parseCertificate(der));
  const digest = createHash('sha256').update(der).digest();
  return {
    ...facts,
    thumbprint: { 'x5t#S256': digest.toString('base64url'), sha256: digest.toString('hex') },
    problems: problems.list,
  };
}

interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

interface RawFields {
  readonly version?: number;
  readonly serial?: Element;
  readonly issuer?: Element;
  readonly validity?: Element;
  readonly subject?: Element;
  readonly publicKey?: Element;
  readonly algorithm?: Element;
  readonly extensions: readonly RawExtension[];
}

/** Goes through the fields in their order for as long as their lengths hold. */
function walk(der: Buffer, problems: ReadingProblems): RawFields {
  const content =
    problems.attempt('certificate', () => new DerReader(der).content(TAG.sequence)) ?? withoutHeader(der);
  const outer = new DerReader(content);
  const tbs = problems.attempt('tbsCertificate', () => outer.element(TAG.sequence));
  const algorithm =
    tbs === undefined ? undefined : problems.attempt('signatureAlgorithm', () => outer.element(TAG.sequence));
  const fields = new DerReader(tbs?.content ?? withoutHeader(content));
  const next = (part: string): Element | undefined =>
    fields.isAtEnd ? undefined : problems.attempt(part, () => fields.any());
  const version =
    fields.nextTag === contextTag(0, 'constructed')
      ? problems.attempt('version', () =>
          readAll(fields.any().content, (reader) => decodeCount(reader.content(TAG.integer)) + 1),
        )
      : 1;
  const [serial, , issuer, validity, subject, publicKey] = [
    next('serialNumber'),
    next('signature'),
    next('issuer'),
    next('validity'),
    next('subject'),
    next('subjectPublicKeyInfo'),
  ];
  return {
    ...present('version', serial === undefined ? undefined : version),
    ...present('serial', serial),
    ...present('issuer', issuer),
    ...present('validity', validity),
    ...present('subject', subject),
    ...present('publicKey', publicKey),
    ...present('algorithm', algorithm),
    extensions: walkExtensions(fields, problems),
  };
}

/** The bytes behind the header of a truncated SEQUENCE; its first fields may be there. */
function withoutHeader(bytes: Buffer): Buffer {
  if (bytes[0] !== TAG.sequence) return Buffer.alloc(0);
  const first = bytes[1] ?? 0;
  return bytes.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f));
}

function walkExtensions(fields: DerReader, problems: ReadingProblems): readonly RawExtension[] {
  const found: RawExtension[] = [];
  problems.attempt('extensions', () => {
    while (!fields.isAtEnd && fields.nextTag !== contextTag(3, 'constructed')) fields.any();
    if (fields.isAtEnd) return;
    const list = new DerReader(new DerReader(fields.any().content).content(TAG.sequence));
    while (!list.isAtEnd) {
      const { content } = list.any();
      found.push(readExtension(content, problems));
    }
  });
  return found;
}

/** A BOOLEAN that is none in DER is read as BER reads it. */
function readExtension(content: Buffer, problems: ReadingProblems): RawExtension {
  const reader = new DerReader(content);
  const oid = reader.oid();
  const flag = reader.optional(TAG.boolean);
  if (flag !== undefined && flag.content[0] !== 0xff) {
    problems.add(`extension ${findOidName(oid) ?? oid}`, 'critical is a BOOLEAN that DER does not write so');
  }
  return {
    oid,
    critical: flag !== undefined && flag.content[0] !== 0,
    value: reader.content(TAG.octetString),
  };
}

function extensionFacts({ oid, critical, value }: RawExtension, problems: ReadingProblems): ExtensionFacts {
  const name = findOidName(oid);
  const values =
    oid === EXTENSION.qcStatements
      ? []
      : problems.attempt(`extension ${name ?? oid}`, () => describeExtension(oid, value));
  return {
    oid,
    ...present('name', name),
    critical,
    values: values ?? [`unreadable: ${value.toString('hex')}`],
  };
}

function nameOf(
  part: string,
  element: Element | undefined,
  problems: ReadingProblems,
): DistinguishedName | undefined {
  return element === undefined ? undefined : problems.attempt(part, () => readAll(element.raw, readName));
}

function serialOf(element: Element | undefined, problems: ReadingProblems): string | undefined {
  if (element === undefined) return undefined;
  problems.attempt('serialNumber', () => decodeInteger(element.content));
  const { content } = element;
  return (content[0] === 0 && content.length > 1 ? content.subarray(1) : content).toString('hex');
}

function validityOf(element: Element | undefined, problems: ReadingProblems) {
  const reader = new DerReader(
    element === undefined
      ? Buffer.alloc(0)
      : (problems.attempt('validity', () => new DerReader(element.raw).content(TAG.sequence)) ??
          Buffer.alloc(0)),
  );
  const next = (part: string) =>
    reader.isAtEnd ? undefined : problems.attempt(part, () => readAll(reader.any().raw, readTime));
  const [notBefore, notAfter] = [next('notBefore'), next('notAfter')];
  return { ...present('notBefore', notBefore), ...present('notAfter', notAfter) };
}

function publicKeyOf(element: Element | undefined, problems: ReadingProblems): CertificateFacts['publicKey'] {
  if (element === undefined) return undefined;
  const spkiSha256 = createHash('sha256').update(element.raw).digest('hex');
  const parsed = problems.attempt('subjectPublicKeyInfo', () => parsePublicKey(element));
  if (parsed === undefined) return { text: 'unreadable', spkiSha256 };
  const weakness = findKeyWeakness(parsed.key, parsed.octets);
  return { text: keyText(parsed.key), spkiSha256, ...present('weakness', weakness) };
}

function keyText({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string {
  if (details?.modulusLength !== undefined) return `${type?.toUpperCase()}, ${details.modulusLength} bits`;
  if (details?.namedCurve !== undefined) return `elliptic curve, ${details.namedCurve}`;
  return type ?? 'unknown';
}

function signatureOf(
  element: Element | undefined,
  problems: ReadingProblems,
): CertificateFacts['signatureAlgorithm'] {
  if (element === undefined) return undefined;
  const read = problems.attempt('signatureAlgorithm', () => readAll(element.raw, readSignatureAlgorithm));
  return read === undefined ? undefined : { name: read.name, isAccepted: read.scheme !== undefined };
}

function identifierOf(
  subject: DistinguishedName | undefined,
  problems: ReadingProblems,
): CertificateFacts['organizationIdentifier'] {
  if (subject === undefined) return undefined;
  const [text, ...more] = findAttribute(subject, ATTRIBUTE.organizationIdentifier);
  if (text === undefined) return undefined;
  if (more.length > 0) problems.add('organizationIdentifier', `there are ${more.length + 1}`);
  return problems.attempt('organizationIdentifier', () => parseOrganizationIdentifier(text)) ?? { text };
}

function written(key: 'subject' | 'issuer', name: DistinguishedName | undefined) {
  return name === undefined ? {} : { [key]: formatName(name) };
}

function present<K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>> {
  const found: Partial<Record<K, T>> = {};
  if (value !== undefined) found[key] = value;
  return found;
}

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
import { findKeyProblem, keyProblemText } from '../../x509/certificate/key-strength.ts';
import { parsePublicKey } from '../../x509/certificate/public-key.ts';
import { readSignatureAlgorithm } from '../../x509/certificate/signature.ts';
import { describeExtension } from './extension-facts.ts';
import { findOidName } from './object-identifiers.ts';
import { type ReadingProblem, ReadingProblems } from './reading-problems.ts';
import { type QcStatementsFacts, readStatementFacts } from './statement-facts.ts';

export interface ExtensionFacts {
  readonly oid: string;
  readonly name: string | undefined;
  readonly critical: boolean;
  readonly values: readonly string[];
}

/** Every readable fact of a certificate. A part that cannot be read is undefined and named in `problems`. */
export interface CertificateFacts {
  readonly subject: string | undefined;
  readonly issuer: string | undefined;
  readonly serialNumber: string | undefined;
  readonly version: number | undefined;
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  readonly publicKey:
    | { readonly text: string; readonly spkiSha256: string; readonly problem?: string | undefined }
    | undefined;
  readonly signatureAlgorithm: { readonly name: string; readonly isAccepted: boolean } | undefined;
  readonly organizationIdentifier: OrganizationIdentifier | { readonly text: string } | undefined;
  readonly extensions: readonly ExtensionFacts[];
  readonly qcStatements: QcStatementsFacts | undefined;
  /** base64url, as tokens are bound to it (RFC 8705 §3.1), and hexadecimal, as people compare it. */
  readonly thumbprint: { readonly 'x5t#S256': string; readonly sha256: string };
  readonly problems: readonly ReadingProblem[];
}

/** Reads the readable parts of any bytes; never throws for them. */
export function readCertificateFacts(der: Buffer): CertificateFacts {
  const problems = new ReadingProblems();
  const fields = walk(der, problems);
  const nameIn = (part: 'subject' | 'issuer') =>
    problems.attemptWith(part, fields[part], ({ raw }) => readAll(raw, readName));
  const subject = nameIn('subject');
  const extensions = fields.extensions.map((one) => extensionFacts(one, problems));
  const statements = fields.extensions.find(({ oid }) => oid === EXTENSION.qcStatements);
  const issuer = nameIn('issuer');
  const facts = {
    subject: subject && formatName(subject),
    issuer: issuer && formatName(issuer),
    serialNumber: serialOf(fields.serial, problems),
    version: fields.version,
    ...validityOf(fields.validity, problems),
    publicKey: publicKeyOf(fields.publicKey, problems),
    signatureAlgorithm: signatureOf(fields.algorithm, problems),
    organizationIdentifier: identifierOf(subject, problems),
    extensions,
    qcStatements: statements && readStatementFacts(statements.value, problems),
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

/** Goes through the fields in their order for as long as their lengths hold. */
function walk(der: Buffer, problems: ReadingProblems) {
  const content =
    problems.attempt('certificate', () => new DerReader(der).content(TAG.sequence)) ?? withoutHeader(der);
  const outer = new DerReader(content);
  const tbs = problems.attempt('tbsCertificate', () => outer.element(TAG.sequence));
  const algorithm = problems.attemptWith('signatureAlgorithm', tbs, () => outer.element(TAG.sequence));
  const fields = new DerReader(tbs?.content ?? withoutHeader(content));
  const next = (part: string): Element | undefined =>
    fields.isAtEnd ? undefined : problems.attempt(part, () => fields.any());
  const version =
    fields.nextTag === contextTag(0, 'constructed')
      ? problems.attempt('version', () =>
          readAll(fields.any().content, (reader) => decodeCount(reader.content(TAG.integer)) + 1),
        )
      : 1;
  const serial = next('serialNumber');
  next('signature');
  return {
    version: serial === undefined ? undefined : version,
    serial,
    issuer: next('issuer'),
    validity: next('validity'),
    subject: next('subject'),
    publicKey: next('subjectPublicKeyInfo'),
    algorithm,
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
  return { oid, name, critical, values: values ?? [`unreadable: ${value.toString('hex')}`] };
}

function serialOf(element: Element | undefined, problems: ReadingProblems): string | undefined {
  if (element === undefined) return undefined;
  problems.attempt('serialNumber', () => decodeInteger(element.content));
  const { content } = element;
  return (content[0] === 0 && content.length > 1 ? content.subarray(1) : content).toString('hex');
}

function validityOf(element: Element | undefined, problems: ReadingProblems) {
  const content = problems.attemptWith('validity', element, ({ raw }) =>
    new DerReader(raw).content(TAG.sequence),
  );
  const reader = new DerReader(content ?? Buffer.alloc(0));
  const next = (part: string) =>
    reader.isAtEnd ? undefined : problems.attempt(part, () => readAll(reader.any().raw, readTime));
  return { notBefore: next('notBefore'), notAfter: next('notAfter') };
}

function publicKeyOf(element: Element | undefined, problems: ReadingProblems): CertificateFacts['publicKey'] {
  if (element === undefined) return undefined;
  const spkiSha256 = createHash('sha256').update(element.raw).digest('hex');
  const parsed = problems.attempt('subjectPublicKeyInfo', () => parsePublicKey(element));
  if (parsed === undefined) return { text: 'unreadable', spkiSha256 };
  const problem = findKeyProblem(parsed.key, parsed.octets);
  return { text: keyText(parsed.key), spkiSha256, problem: problem && keyProblemText(problem) };
}

/** Algorithm and size of a key. */
export function keyText({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string {
  if (details?.modulusLength !== undefined) return `${type?.toUpperCase()}, ${details.modulusLength} bits`;
  if (details?.namedCurve !== undefined) return `elliptic curve, ${details.namedCurve}`;
  return type ?? 'unknown';
}

function signatureOf(
  element: Element | undefined,
  problems: ReadingProblems,
): CertificateFacts['signatureAlgorithm'] {
  return problems.attemptWith('signatureAlgorithm', element, ({ raw }) => {
    const { name, scheme } = readAll(raw, readSignatureAlgorithm);
    return { name, isAccepted: scheme !== undefined };
  });
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

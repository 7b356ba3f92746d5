import { z } from 'zod';
import { isRefusal, OpenBankingError, type Problem } from '../../errors.ts';
import { canonicalNca } from '../../../tpp-registry/nca.ts';
import { ListDocument } from '../../../tpp-registry/list-document.ts';
import { dayField, textField } from '../../../tpp-registry/record-fields.ts';
import { parseName } from '../../x509/certificate/distinguished-name.ts';

/** One certificate by issuer and serial number, never by thumbprint: an ECDSA signature has a twin. */
export interface CertificateBlock {
  readonly kind: 'certificate';
  /** RFC 4514 string. */
  readonly issuer: string;
  /** Lower-case hexadecimal digits without leading zeros. */
  readonly serialNumber: string;
  readonly reason: string;
  readonly since: Date;
}

/** Every certificate of a TPP. */
export interface TppBlock {
  readonly kind: 'tpp';
  readonly authorizationNumber: string;
  /** Absent: under every competent authority (NCA). */
  readonly nca?: string | undefined;
  readonly reason: string;
  readonly since: Date;
}

export type Block = CertificateBlock | TppBlock;

const MAX_BLOCKS = 100_000;
/** 20 octets (RFC 5280 §4.1.2.2), as `openssl x509 -serial` or with colons. */
const SERIAL = /^(?=[0-9a-f])[0-9a-f]{0,2}(:?[0-9a-f]{2}){0,20}$/i;

const why = { reason: textField(512), since: dayField };
const certificateBlock = z.strictObject({
  issuer: textField(4096),
  serialNumber: z
    .string('must be hexadecimal digits in quotes: a bare number would lose some')
    .regex(SERIAL, 'must be the hexadecimal digits of at most 20 octets'),
  ...why,
});
const tppBlock = z.strictObject({
  authorizationNumber: textField(128),
  nca: textField(32).optional(),
  ...why,
});
const blockFrame = z.strictObject({ blocked: z.array(z.unknown()) });

/**
 * Parses a block list in YAML or JSON, and reports every problem with its place.
 *
 *     blocked:
 *       - issuer: CN=QTSP Issuing CA,O=QTSP,C=FI   # RFC 4514, as `tallystick certificate inspect` prints it
 *         serialNumber: '0a1b2c'
 *         reason: its key was lost
 *         since: 2026-11-20
 *       - authorizationNumber: PSDGB-FCA-123456
 *         nca: GB-FCA                              # optional
 *         reason: fraud, reported to the authority on that day
 *         since: 2026-11-21
 *
 * `since` is for people: a block is effective as soon as the list is read.
 *
 * @throws ERR_BLOCK_LIST_INVALID
 */
export function parseBlocks(content: string, from: { readonly source: string }): readonly Block[] {
  const blocks: Block[] = [];
  readBlocks(Buffer.from(content), from, (block) => void blocks.push(block));
  return Object.freeze(blocks);
}

/**
 * As `parseBlocks`, without a list in memory: passes each block to `take`, before later ones are checked.
 *
 * @throws ERR_BLOCK_LIST_INVALID
 */
export function readBlocks(
  content: Uint8Array,
  from: { readonly source: string },
  take: (block: Block) => void,
): void {
  const invalid = (problems: readonly Problem[]) =>
    new OpenBankingError('ERR_BLOCK_LIST_INVALID', { source: from.source, problems });
  const document = new ListDocument(content, { list: 'blocked', invalid });
  for (const { path, message } of blockFrame.safeParse(document.frame).error?.issues ?? []) {
    document.note(path, message);
  }
  let at = -1;
  for (const entry of document.entries()) {
    at += 1;
    if (at === MAX_BLOCKS) {
      document.note(['blocked'], `has more than ${MAX_BLOCKS} entries`);
      break;
    }
    const note = (path: readonly PropertyKey[], message: string) =>
      document.note(['blocked', at, ...path], message);
    for (const block of namesCertificate(entry) ? certificateOf(entry, note) : tppOf(entry, note))
      take(block);
  }
  document.assertSound();
}

type Note = (path: readonly PropertyKey[], message: string) => void;

function namesCertificate(entry: unknown): boolean {
  return typeof entry === 'object' && entry !== null && ('issuer' in entry || 'serialNumber' in entry);
}

function certificateOf(entry: unknown, note: Note): CertificateBlock[] {
  const { data, error } = certificateBlock.safeParse(entry);
  for (const { path, message } of error?.issues ?? []) note(path, message);
  if (data === undefined) return [];
  try {
    if (parseName(data.issuer).rdns.length === 0) note(['issuer'], 'is an empty name');
  } catch (cause) {
    if (!isRefusal(cause, 'ERR_NAME_MALFORMED')) throw cause;
    note(['issuer'], `is no name of RFC 4514: ${cause.details.problem}`);
  }
  const serialNumber = data.serialNumber
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
  return [Object.freeze({ kind: 'certificate', ...data, serialNumber })];
}

function tppOf(entry: unknown, note: Note): TppBlock[] {
  const { data, error } = tppBlock.safeParse(entry);
  for (const { path, message } of error?.issues ?? []) note(path, message);
  if (data === undefined) return [];
  const { nca } = data;
  if (nca !== undefined && canonicalNca(nca) === undefined) note(['nca'], 'is no known competent authority');
  return [Object.freeze({ kind: 'tpp', ...data })];
}

import { hash } from 'node:crypto';
import { safeText } from './stable-text.ts';

/** The place of a line in the chain of its process. */
export interface LinePlace {
  /** The name of the chain: its process, and the time of the start. */
  readonly process: string;
  /** From 1 upwards, without a gap. */
  readonly sequence: number;
  /** The hash of the line before, over every octet of it but the line break; empty for the first line. */
  readonly previous: string;
}

/** Lines that the chain writes about itself; every other line is an event of the catalogue. */
export const CHAIN_LINES = Object.freeze({
  opened: 'audit.opened',
  checkpoint: 'audit.checkpoint',
  /** The end of a chain whose process ended without one, written by another process. */
  completed: 'audit.completed',
});

/** The content of a line, beside its place. */
export interface LineContent {
  readonly at: string;
  readonly event: string;
}

/** A line, without its line break. */
export function lineText(content: LineContent, place: LinePlace): string {
  return safeText({ ...content, ...place });
}

/** SHA-256 over a line, without its line break, in base64url. */
export function lineHash(line: string | Uint8Array): string {
  return hash('sha256', line, 'base64url');
}

/** A line that was read: its place, its event, and all its members. */
export interface ReadLine extends LinePlace, LineContent {
  readonly members: Readonly<Record<string, unknown>>;
}

/** The line of a text; undefined for a text that is no line of an audit record. */
export function parseLine(text: string): ReadLine | undefined {
  let members: unknown;
  try {
    members = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof members !== 'object' || members === null) return undefined;
  const { at, event, process, sequence, previous } = members as Partial<ReadLine>;
  if (typeof at !== 'string' || typeof event !== 'string' || typeof process !== 'string') return undefined;
  if (typeof sequence !== 'number' || typeof previous !== 'string') return undefined;
  return { at, event, process, sequence, previous, members: members as ReadLine['members'] };
}

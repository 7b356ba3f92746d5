import { expect } from 'vitest';
import type { Certificate } from '../../../src/x509/certificate/certificate.ts';
import { type CrlOptions, crlStatus } from '../../../src/x509/crl/crl.ts';
import type { RevocationStatus } from '../../../src/x509/certificate/revocation-status.ts';
import { issue, NOW, type Party } from '../certificate-factory.ts';
import { type CrlFactoryOptions, crl, distributionPoints, entry } from './crl-factory.ts';
import * as der from '../der-writer.ts';

/** The issuer of every certificate and list here, unless a question says otherwise. */
export const issuer = issue('authority', 'issuing');
export const leaf = issue('end entity', 'tpp', { issuer });
export const authority = issue('authority', 'below', { issuer });

export const serialOf = ({ certificate }: Party): string => certificate.serialNumber;
export const later = (at: Date, seconds: number): Date => new Date(at.getTime() + seconds * 1000);

/** An end entity with one distribution point of these parts. */
export const withPoint = (...parts: Buffer[]): Party =>
  issue('end entity', 'tpp', { issuer, extra: [distributionPoints(der.sequence(...parts))] });

/** An entry about `leaf`. */
export const listed = (reason?: number): Buffer =>
  entry({ serial: serialOf(leaf), ...(reason === undefined ? {} : { reason }) });

export type List = Omit<CrlFactoryOptions, 'issuer'> & { readonly issuer?: CrlFactoryOptions['issuer'] };

/** What is asked: about `leaf`, with one good list, unless it says otherwise. */
export interface Question extends Partial<Omit<CrlOptions, 'crls' | 'issuer'>> {
  readonly leaf?: Party;
  readonly issuer?: Certificate;
  readonly lists?: readonly List[];
}

export function statusOf({ leaf: asked = leaf, lists = [{}], ...options }: Question = {}): RevocationStatus {
  return crlStatus(asked.certificate, {
    issuer: issuer.certificate,
    crls: lists.map((one) => crl({ issuer, ...one })),
    at: NOW,
    ...options,
  });
}

export const statusIn = (question: Question): string => statusOf(question).status;

/** A question beside its twin, which differs in nothing else and is answered by `good`. */
export interface Row {
  readonly what: string;
  readonly twin?: Question;
  readonly question: Question;
  readonly expected: 'unknown' | 'revoked';
}

export function judge({ question, twin = {}, expected }: Row): void {
  expect({ twin: statusIn(twin), question: statusIn(question) }).toEqual({
    twin: 'good',
    question: expected,
  });
}

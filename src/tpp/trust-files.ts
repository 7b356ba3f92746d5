import { invalidConfig, isRefusal, type OpenBankingError } from '../errors.ts';
import { type Clock, systemClock } from '../clock.ts';
import { openFollowedFile } from '../files/followed-file.ts';
import type { Log } from '../events.ts';
import {
  type Certificate,
  parseAnchor,
  parseCertificate,
  parsePem,
} from '../x509/certificate/certificate.ts';
import { ATTRIBUTE, findAttribute, shownName } from '../x509/certificate/distinguished-name.ts';
import { findAnchorRefusal } from '../x509/path/path.ts';
import { createTrustProfile, type TrustProfile, type TrustProfileOptions } from './trust-profile.ts';

/** The organization of every CA of a sandbox. The keys of these CAs lie in a developer's folder. */
export const SANDBOX_ORGANIZATION = 'Tallystick Sandbox';

export interface TrustFilesOptions extends Omit<TrustProfileOptions, 'anchorsPem' | 'intermediatesPem'> {
  readonly anchorsFile: string;
  readonly intermediatesFile?: string | undefined;
  /** Accepts the root of a sandbox. Default: refuse it. */
  readonly allowsSandboxAnchors?: boolean;
  /** Where the files stand in the configuration, `trust[0]`. */
  readonly place: string;
  readonly log: Log;
  /** For the dates of anchors. Default: the machine's own. */
  readonly clock?: Clock;
  /** Seconds between two looks at the files' dates and sizes. Default 5. */
  readonly pollSeconds?: number;
}

/** A trust profile that follows its files. */
export interface FollowedTrustProfile {
  /** A new object when a file has changed. */
  readonly current: TrustProfile;
  /** Reads the files now if they have changed; true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Opens a trust profile whose PEM files are read again when they change: a CA that is removed from them is
 * untrusted at the next request. A bad copy is logged, and the last good one stays.
 *
 * @throws ERR_CONFIG_INVALID when a first copy is missing, is no PEM, or holds a certificate that cannot be an anchor
 */
export async function openTrustProfile(options: TrustFilesOptions): Promise<FollowedTrustProfile> {
  const { anchorsFile, intermediatesFile, place, log, pollSeconds, clock = systemClock } = options;
  const follow = (file: string, field: string, check: PemCheck) => {
    const invalid = (message: string, cause?: unknown) =>
      invalidConfig(file, [{ path: `${place}.${field}`, message }], cause);
    return openFollowedFile<string>({
      file,
      name: 'trust',
      log,
      pollSeconds,
      parse: (text) => checkedPem(text, check, invalid),
      unreadable: (cause) => invalid(`cannot be read: ${cause.code}`, cause),
      onChange: () => {
        followed.current = made();
      },
    });
  };
  const anchors = await follow(anchorsFile, 'anchorsFile', {
    parse: parseAnchor,
    problemOf: (certificate) => anchorProblem(certificate, options.allowsSandboxAnchors === true),
  });
  const intermediates =
    intermediatesFile === undefined
      ? undefined
      : await follow(intermediatesFile, 'intermediatesFile', {
          parse: parseCertificate,
          problemOf: () => undefined,
        });
  const made = (): TrustProfile => {
    const profile = createTrustProfile({
      ...options,
      anchorsPem: anchors.current,
      intermediatesPem: intermediates?.current,
    });
    for (const error of anchorRefusals(profile, clock.now())) {
      log.emit('trust.anchor.unusable', { file: anchorsFile, error });
    }
    return profile;
  };
  const files = intermediates === undefined ? [anchors] : [anchors, intermediates];
  const followed = {
    current: made(),
    reload: async () => (await Promise.all(files.map((file) => file.reload()))).some(Boolean),
    close: async () => void (await Promise.all(files.map((file) => file.close()))),
  };
  return followed;
}

type Invalid = (message: string) => OpenBankingError;

interface PemCheck {
  readonly parse: (der: Uint8Array) => Certificate;
  readonly problemOf: (certificate: Certificate) => string | undefined;
}

/** The text of a PEM file, after all its certificates have been read and checked. */
function checkedPem(text: string, { parse, problemOf }: PemCheck, invalid: Invalid): string {
  for (const [at, certificate] of read(text, parse, invalid).entries()) {
    const problem = problemOf(certificate);
    if (problem === undefined) continue;
    throw invalid(`certificate ${at + 1}, ${shownName(certificate.subject)}, ${problem}`);
  }
  return text;
}

function read(text: string, parse: PemCheck['parse'], invalid: Invalid): Certificate[] {
  try {
    return parsePem(text).map((der) => parse(der));
  } catch (error) {
    if (isRefusal(error, 'ERR_CERT_MALFORMED')) throw invalid(error.details.problem);
    throw error;
  }
}

/** The refusals of anchors that refuse every path: their keys, dates or constraints. */
function anchorRefusals({ anchors, paths }: TrustProfile, at: Date): readonly OpenBankingError[] {
  return anchors.flatMap((anchor) => {
    const refusals = paths.map((policy) => findAnchorRefusal(anchor, { at, policy }));
    return refusals.includes(undefined) ? [] : (refusals[0] ?? []);
  });
}

/** Checked at the start: otherwise every certificate of the anchor would be refused, or accepted, for it. */
function anchorProblem(certificate: Certificate, allowsSandbox: boolean): string | undefined {
  if (certificate.basicConstraints?.isCa !== true) return 'is not a certification authority';
  const isOfSandbox = findAttribute(certificate.subject, ATTRIBUTE.organizationName).includes(
    SANDBOX_ORGANIZATION,
  );
  return isOfSandbox && !allowsSandbox ? 'is of a sandbox: allowSandboxAnchors would trust it' : undefined;
}

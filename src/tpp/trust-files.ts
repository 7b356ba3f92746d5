import { invalidConfig, isRefusal, type OpenBankingError } from '../errors.ts';
import { openFollowedFile } from '../files/followed-file.ts';
import type { Log } from '../events.ts';
import { type Certificate, parseCertificate, parsePem } from '../x509/certificate/certificate.ts';
import { ATTRIBUTE, findAttribute, shownName } from '../x509/certificate/distinguished-name.ts';
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
  const { anchorsFile, intermediatesFile, place, log, pollSeconds } = options;
  const follow = (
    file: string,
    field: string,
    problemOf: (certificate: Certificate) => string | undefined,
  ) => {
    const invalid = (message: string, cause?: unknown) =>
      invalidConfig(file, [{ path: `${place}.${field}`, message }], cause);
    return openFollowedFile<string>({
      file,
      name: 'trust',
      log,
      pollSeconds,
      parse: (text) => checkedPem(text, problemOf, invalid),
      unreadable: (cause) => invalid(`cannot be read: ${cause.code}`, cause),
      onChange: () => {
        followed.current = made();
      },
    });
  };
  const anchors = await follow(anchorsFile, 'anchorsFile', (certificate) =>
    anchorProblem(certificate, options.allowsSandboxAnchors === true),
  );
  const intermediates =
    intermediatesFile === undefined
      ? undefined
      : await follow(intermediatesFile, 'intermediatesFile', () => undefined);
  const made = (): TrustProfile =>
    createTrustProfile({
      ...options,
      anchorsPem: anchors.current,
      intermediatesPem: intermediates?.current,
    });
  const files = intermediates === undefined ? [anchors] : [anchors, intermediates];
  const followed = {
    current: made(),
    reload: async () => (await Promise.all(files.map((file) => file.reload()))).some(Boolean),
    close: async () => void (await Promise.all(files.map((file) => file.close()))),
  };
  return followed;
}

type Invalid = (message: string) => OpenBankingError;

/** The text of a PEM file, after all its certificates have been read and checked. */
function checkedPem(
  text: string,
  problemOf: (certificate: Certificate) => string | undefined,
  invalid: Invalid,
): string {
  for (const [at, certificate] of read(text, invalid).entries()) {
    const problem = problemOf(certificate);
    if (problem === undefined) continue;
    throw invalid(`certificate ${at + 1}, ${shownName(certificate.subject)}, ${problem}`);
  }
  return text;
}

function read(text: string, invalid: Invalid): Certificate[] {
  try {
    return parsePem(text).map(parseCertificate);
  } catch (error) {
    if (isRefusal(error, 'ERR_CERT_MALFORMED')) throw invalid(error.details.problem);
    throw error;
  }
}

/** Checked at the start: otherwise every certificate of the anchor would be refused, or accepted, for it. */
function anchorProblem(certificate: Certificate, allowsSandbox: boolean): string | undefined {
  if (certificate.basicConstraints?.isCa !== true) return 'is not a certification authority';
  const isOfSandbox = findAttribute(certificate.subject, ATTRIBUTE.organizationName).includes(
    SANDBOX_ORGANIZATION,
  );
  return isOfSandbox && !allowsSandbox ? 'is of a sandbox: allowSandboxAnchors would trust it' : undefined;
}

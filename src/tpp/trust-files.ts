import { invalidConfig, isRefusal, type OpenBankingError } from '../errors.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type FollowedFile, openFollowedFile } from '../files/followed-file.ts';
import type { Log } from '../events.ts';
import { type Certificate, parseAnchor, parseCertificate } from '../x509/certificate/certificate.ts';
import { type CertificateFile, readCertificateFile } from '../x509/certificate/certificate-file.ts';
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
 * @throws ERR_CONFIG_INVALID when a first copy is missing, is no PEM, holds nothing readable, or a certificate that
 * cannot be an anchor
 */
export async function openTrustProfile(options: TrustFilesOptions): Promise<FollowedTrustProfile> {
  const { anchorsFile, intermediatesFile, place, log, pollSeconds, clock = systemClock } = options;
  const follow = (file: string, field: string, check: PemCheck) => {
    const path = `${place}.${field}`;
    return openTrustFile({
      file,
      path,
      parse: check.parse,
      log,
      pollSeconds,
      check: (certificates) => {
        for (const [at, certificate] of certificates.entries()) {
          const problem = check.problemOf(certificate);
          if (problem === undefined) continue;
          const message = `certificate ${at + 1}, ${shownName(certificate.subject)}, ${problem}`;
          throw invalidConfig(file, [{ path, message }]);
        }
      },
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
      anchorsPem: pemOf(anchors.current),
      intermediatesPem: intermediates && pemOf(intermediates.current),
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

function pemOf(certificates: readonly Certificate[]): string {
  const blocks = certificates.map(({ der }) => der.toString('base64'));
  return blocks
    .map((base64) => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
    .join('');
}

interface PemCheck {
  readonly parse: (der: Uint8Array) => Certificate;
  readonly problemOf: (certificate: Certificate) => string | undefined;
}

export interface TrustFileOptions<T> {
  readonly file: string;
  /** The field of the configuration that names the file. */
  readonly path: string;
  readonly parse: (der: Uint8Array) => T;
  /** Throws a refusal of the whole copy. */
  readonly check?: (certificates: readonly T[]) => void;
  readonly log: Log;
  readonly pollSeconds?: number | undefined;
  readonly onChange?: () => void;
}

/**
 * Opens a PEM file of CAs that is read again when it changes. Unreadable certificates are left out with a warning
 * while others remain.
 *
 * @throws ERR_CONFIG_INVALID when a first copy is missing, is no PEM, or holds no readable certificate
 */
export function openTrustFile<T extends object>(
  options: TrustFileOptions<T>,
): Promise<FollowedFile<readonly T[]>> {
  const { file, path, check, log, pollSeconds, onChange } = options;
  return openFollowedFile<readonly T[]>({
    file,
    name: 'trust',
    log,
    pollSeconds,
    parse: (text) => {
      const { certificates, faults } = parseTrustFile(text, options);
      const problems = faults.map((message) => ({ path, message }));
      if (certificates.length === 0) throw invalidConfig(file, problems);
      check?.(certificates);
      if (problems.length > 0) log.emit('trust.certificate.unreadable', { file, problems });
      return certificates;
    },
    unreadable: (cause) => invalidConfig(file, [{ path, message: `cannot be read: ${cause.code}` }], cause),
    count: (certificates) => certificates.length,
    ...(onChange === undefined ? {} : { onChange }),
  });
}

/** @throws ERR_CONFIG_INVALID when the text is no PEM, or ends within a certificate */
export function parseTrustFile<T extends object>(
  text: string,
  { file, path, parse }: Pick<TrustFileOptions<T>, 'file' | 'path' | 'parse'>,
): CertificateFile<T> {
  try {
    return readCertificateFile(text, parse);
  } catch (error) {
    if (!isRefusal(error, 'ERR_CERT_MALFORMED')) throw error;
    throw invalidConfig(file, [{ path, message: error.details.problem }]);
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

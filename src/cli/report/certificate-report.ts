import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { silentLog } from '../../events.ts';
import { openStore } from '../../server/opened-store.ts';
import { openTppDecision } from '../../server/tpp-decision.ts';
import type { TppAuthenticator } from '../../tpp/authenticate.ts';
import { type SeenCertificate, SeenCertificates } from '../../tpp/seen-certificates.ts';
import { TLS_CLIENT_POLICY } from '../../x509/path/path.ts';
import { parseCertificate } from '../../x509/certificate/certificate.ts';
import { shownName } from '../../x509/certificate/distinguished-name.ts';
import { keyText } from '../certificate/certificate-facts.ts';
import { offlineRegistry } from '../registry/registry-report.ts';
import { isUnderRoot } from './browser-roots.ts';

/** A certificate of the report. */
export interface ReportedCertificate {
  readonly authorizationNumber: string;
  readonly legalName: string;
  /** Hexadecimal SHA-256. */
  readonly fingerprint: string;
  readonly serialNumber: string;
  readonly issuer: string;
  readonly key: string;
  readonly signature: string;
  readonly notAfter: Date;
  /** Whole days, negative after the end. */
  readonly daysLeft: number;
  readonly seenAt: Date;
  /** Reasons for which it is refused, or will be. */
  readonly problems: readonly string[];
}

const DAY_MILLISECONDS = 86_400_000;
/** The first of the days at which the server reports an end. */
const SOON_DAYS = 60;

/**
 * The certificates that a server has accepted in the last 90 days, with the decision that it would make about each now.
 * Sends no request: registers and trusted lists are those of the folders, revocation is not asked.
 *
 * @throws ERR_STORAGE_UNAVAILABLE, ERR_CONFIG_INVALID, ERR_REGISTRY_INVALID, ERR_TRUSTED_LIST_*
 */
export async function reportCertificates(config: Config): Promise<readonly ReportedCertificate[]> {
  const parts = { clock: systemClock, log: silentLog };
  const store = await openStore(config.storage, parts);
  const seen = new SeenCertificates({ store, ...parts });
  try {
    const decision = await openTppDecision(offline(config), parts);
    try {
      const all: ReportedCertificate[] = [];
      for (const one of await seen.list()) all.push(await reported(one, decision.authenticator));
      return all;
    } finally {
      await decision.close();
    }
  } finally {
    await seen.close();
    await store.close();
  }
}

function offline(config: Config): Config {
  return {
    ...config,
    registry: offlineRegistry(config.registry),
    trust: config.trust.map((one) => ({
      ...one,
      lists: one.lists && { ...one.lists, address: undefined },
      revocation: { ...one.revocation, mode: 'none' as const },
    })),
  };
}

async function reported(
  { authorizationNumber, legalName, seenAt, notAfter: pathEnd, chain }: SeenCertificate,
  authenticator: TppAuthenticator,
): Promise<ReportedCertificate> {
  const [der = Buffer.alloc(0), ...intermediates] = chain.map((one) => Buffer.from(one, 'base64'));
  const certificate = parseCertificate(der);
  const { notAfter, extendedKeyUsage, publicKey, signatureAlgorithm, serialNumber, issuer } = certificate;
  const daysLeft = Math.floor((notAfter.getTime() - systemClock.now().getTime()) / DAY_MILLISECONDS);
  const decided = await authenticator.evaluate({ der, intermediates });
  const problems: string[] = [];
  if ('refusal' in decided) problems.push(`refused now: ${decided.refusal.code}`);
  if (daysLeft <= SOON_DAYS) problems.push(daysLeft < 0 ? 'has ended' : `ends in ${daysLeft} days`);
  if (extendedKeyUsage?.includes(TLS_CLIENT_POLICY.keyPurpose) !== true) problems.push('no id-kp-clientAuth');
  if (isUnderRoot([der, ...intermediates])) {
    problems.push('issuer under browser roots, which end id-kp-clientAuth');
  }
  if (pathEnd < notAfter)
    problems.push(`its issuer ends before it, on ${pathEnd.toISOString().slice(0, 10)}`);
  return {
    authorizationNumber,
    legalName,
    fingerprint: Buffer.from(certificate.thumbprint, 'base64url').toString('hex'),
    serialNumber,
    issuer: shownName(issuer),
    key: keyText(publicKey),
    signature: signatureAlgorithm.name,
    notAfter,
    daysLeft,
    seenAt,
    problems,
  };
}

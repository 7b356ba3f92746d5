import { systemClock } from '../../clock.ts';
import type { Config } from '../../configuration/config.ts';
import { silentLog } from '../../events.ts';
import { openStore } from '../../server/opened-store.ts';
import { openTppDecision } from '../../server/tpp-decision.ts';
import { type ClientUpkeep, openClientUpkeep } from '../../server/client-upkeep.ts';
import { clientsOfTpp, useOf } from '../../authorization-server/clients/tpp-clients.ts';
import type { Tpp, TppAuthenticator } from '../../tpp/authenticate.ts';
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
  /** Identifiers of the clients that may be used with it now; none for a certificate that is refused. */
  readonly clients: readonly string[];
  /** A certificate of the same TPP that ends later. Absent: there is none. */
  readonly renewedBy?: string;
  /** Clients that may be used with this certificate, and with none of the TPP that ends later: their subject ties them to it. */
  readonly onlyThis?: readonly string[];
}

/** As many clients of a TPP as the report names, of the files and of the store each. */
const MAX_CLIENTS = 100;
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
  const upkeep = await openClientUpkeep(config, parts);
  try {
    const decision = await openTppDecision(offline(config), parts);
    try {
      const all: ReportedCertificate[] = [];
      for await (const one of seen.each()) all.push(await reported(one, { ...decision, upkeep }));
      all.sort((a, b) => a.notAfter.getTime() - b.notAfter.getTime());
      return withRenewals(all);
    } finally {
      await decision.close();
    }
  } finally {
    await seen.close();
    await Promise.all([upkeep.close(), store.close()]);
  }
}

/** The clients of a TPP that may be used with its certificate. @throws ERR_STORAGE_UNAVAILABLE */
async function usableClients(tpp: Tpp, { clients, files }: ClientUpkeep): Promise<readonly string[]> {
  const { authorizationNumber, nca } = tpp;
  const sources = {
    namedOfTpp: (number: string, limit: number) => files.listOfTpp(number, limit),
    findNamed: (clientId: string) => files.find(clientId),
    page: (...args: Parameters<ClientUpkeep['clients']['page']>) => clients.page(...args),
  };
  const listed = await clientsOfTpp(sources, { authorizationNumber, nca: nca.id }, MAX_CLIENTS);
  return listed.filter((one) => useOf(one, tpp) === 'usable').map(({ client }) => client.client_id);
}

type Renewable = Pick<ReportedCertificate, 'authorizationNumber' | 'notAfter' | 'clients' | 'fingerprint'>;
type Renewal = Pick<ReportedCertificate, 'renewedBy' | 'onlyThis'>;

/** Certificates by their ends, each with its renewal, and the clients that the renewal leaves behind. */
export function withRenewals<T extends Renewable>(all: readonly T[]): readonly (T & Renewal)[] {
  const ofTpps = Map.groupBy(all, ({ authorizationNumber }) => authorizationNumber);
  return all.map((one) => ({ ...one, ...renewal(one, ofTpps.get(one.authorizationNumber) ?? []) }));
}

function renewal({ notAfter, clients }: Renewable, ofTpp: readonly Renewable[]): Renewal {
  const later = ofTpp.filter((one) => one.notAfter > notAfter);
  const last = later.at(-1);
  if (last === undefined) return {};
  const elsewhere = new Set(later.flatMap((one) => one.clients));
  return { renewedBy: last.fingerprint, onlyThis: clients.filter((id) => !elsewhere.has(id)) };
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
  { authenticator, upkeep }: { readonly authenticator: TppAuthenticator; readonly upkeep: ClientUpkeep },
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
    clients: 'tpp' in decided ? await usableClients(decided.tpp, upkeep) : [],
  };
}

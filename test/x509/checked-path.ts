import { verifyPath, TLS_CLIENT_POLICY, type VerifiedPath } from '../../src/x509/path.ts';
import { createRevocationIo, type RevocationIoOptions } from '../../src/x509/revocation-io.ts';
import {
  createRevocation,
  type Revocation,
  type RevocationEvent,
  type RevocationOptions,
  STRICT_REVOCATION,
  type RevocationPolicy,
} from '../../src/x509/revocation.ts';
import { openCrlIndexer } from '../../src/x509/crl-indexer.ts';
import type { LogFields } from '../../src/log.ts';
import * as factory from './certificate-factory.ts';
import { general, issue, NOW, type Party } from './certificate-factory.ts';
import * as der from './der-writer.ts';
import type { ResponderFarm } from './responder-farm.ts';

/** authorityInfoAccess with one OCSP responder. */
export const ocspAt = (url: string): Buffer =>
  factory.extension(
    '1.3.6.1.5.5.7.1.1',
    der.sequence(der.sequence(der.oid('1.3.6.1.5.5.7.48.1'), general.uri(url))),
  );
/** cRLDistributionPoints with one list. */
export const crlAt = (url: string): Buffer =>
  factory.extension(
    '2.5.29.31',
    der.sequence(der.sequence(der.context(0, der.context(0, general.uri(url))))),
  );

export interface Chain {
  readonly root: Party;
  readonly issuing: Party;
  readonly tpp: Party;
  readonly path: VerifiedPath;
}

/** Root, issuing CA and TPP; `pointers` of the two that are checked. */
export function chainOf(
  pointers: { readonly tpp: readonly Buffer[]; readonly issuing: readonly Buffer[] },
  tpp: factory.IssueOptions = {},
): Chain {
  const root = issue('authority', 'root');
  const issuing = issue('authority', 'issuing', { issuer: root, extra: pointers.issuing });
  const leaf = issue('end entity', 'tpp', {
    issuer: issuing,
    ...tpp,
    extra: [...pointers.tpp, ...(tpp.extra ?? [])],
  });
  return { root, issuing, tpp: leaf, path: pathOf(leaf, issuing, root) };
}

export function pathOf(leaf: Party, issuing: Party, root: Party, at: Date = NOW): VerifiedPath {
  return verifyPath(leaf.certificate, {
    anchors: [root.certificate],
    intermediates: [issuing.certificate],
    at,
    policy: TLS_CLIENT_POLICY,
  });
}

/** A revocation checker with a clock that is set by hand, and what it logged and counted. */
export interface Desk {
  readonly revocation: Revocation;
  readonly events: RevocationEvent[];
  readonly logged: { readonly event: string; readonly fields: LogFields | undefined }[];
  /** Moves the clock by seconds. */
  pass(seconds: number): void;
  /** `accepted`, or the code of the refusal and its problems. */
  outcome(path: VerifiedPath, policy?: Partial<RevocationPolicy>): Promise<string>;
}

export function openDesk(
  farm: ResponderFarm,
  options: Partial<RevocationIoOptions> & Partial<RevocationOptions> = {},
): Desk {
  let at = NOW.getTime();
  const clock = { now: () => new Date(at) };
  const events: RevocationEvent[] = [];
  const logged: Desk['logged'] = [];
  const note = (event: string, fields?: LogFields) => {
    logged.push({ event, fields });
  };
  const log = { error: note, warn: note, info: note };
  const io = createRevocationIo({
    clock,
    log,
    privateHosts: [farm.host],
    ocspTimeoutSeconds: 5,
    crlTimeoutSeconds: 5,
    maxCrlBytes: 1_000_000,
    coolDownSeconds: 15,
    ...options,
  });
  const revocation = createRevocation({
    io,
    indexer: openCrlIndexer(),
    clock,
    log,
    count: (event) => events.push(event),
    tickSeconds: 0.05,
    ...options,
  });
  const policies = new Map<string, RevocationPolicy>();
  return {
    revocation,
    events,
    logged,
    pass: (seconds) => {
      at += seconds * 1000;
    },
    outcome: async (path, change = {}) => {
      const key = JSON.stringify(change, (name, value: unknown) => (name === 'issuer' ? undefined : value));
      const policy = policies.get(key) ?? { ...STRICT_REVOCATION, ...change };
      policies.set(key, policy);
      try {
        await revocation.check(path, policy);
        return 'accepted';
      } catch (error) {
        return told(error);
      }
    },
  };
}

function told(error: unknown): string {
  const { code, details } = error as {
    code?: string;
    details?: { problems?: readonly string[]; reason?: string };
  };
  if (code === undefined) throw error;
  return [
    code,
    ...(details?.problems ?? []),
    ...(details?.reason === undefined ? [] : [details.reason]),
  ].join(' | ');
}

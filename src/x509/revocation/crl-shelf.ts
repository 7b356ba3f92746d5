import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { createRefreshable } from '../../remote/refreshable.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { type CrlIndex, crlStatus } from '../crl/crl.ts';
import type { CrlIndexer } from '../crl/crl-indexer.ts';
import { formatName } from '../certificate/distinguished-name.ts';
import { assertListed, type RevocationIo } from './revocation-io.ts';
import { type CheckedCertificate, crlUrls, deltaUrls } from './revocation-pointers.ts';
import type { RevocationPolicy } from './revocation-policy.ts';
import {
  invalidEvidence,
  noEvidence,
  type ProvenStatus,
  problemOf,
  type UnprovenStatus,
  unproven,
} from './revocation-refusal.ts';

export interface CrlShelfOptions {
  readonly io: RevocationIo;
  readonly indexer: CrlIndexer;
  readonly clock: Clock;
  readonly log: Log;
  readonly coolDownSeconds: number;
}

/** The CRLs that are in use, each fetched once for all the certificates that it is about. */
export interface CrlShelf {
  /**
   * What the lists of a certificate prove. A list that was read longer ago than `maxAgeSeconds` is fetched anew; when
   * it cannot be had, the last one counts as long as it is good.
   *
   * @throws ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
   */
  ask(about: CheckedCertificate, policy: RevocationPolicy, maxAgeSeconds: number): Promise<ProvenStatus>;
  /** What the lists prove that are here already or were kept over a restart. */
  recall(about: CheckedCertificate, policy: RevocationPolicy): Promise<ProvenStatus | undefined>;
}

/** Lists that are held at once: issuers of TPP certificates are a few dozen, in a few parts each. */
const MAX_LISTS = 128;
/** Entries of all of them, at 20 bytes each: the largest list that is read has about a million. */
const MAX_ENTRIES = 10_000_000;

/** A list of one issuer at one address. */
interface HeldList {
  /** The one to use: fetched anew when it was read longer ago than that, the last one while that cannot be done. */
  current(maxAgeSeconds: number): Promise<CrlIndex>;
  /** The one that is here, or was kept over a restart. */
  recall(): Promise<CrlIndex | undefined>;
  /** Entries that are held in memory. */
  readonly count: number;
}

export function createCrlShelf(options: CrlShelfOptions): CrlShelf {
  const shelf = new LRUCache<string, HeldList>({ max: MAX_LISTS });
  /** By the key of the issuer and the address: a list of another authority at the same address is another list. */
  const held = (url: string, about: CheckedCertificate): HeldList => {
    const key = `${about.key.issuerKeyHash} ${url}`;
    const found = shelf.get(key) ?? holdList(key, { ...options, url, about });
    shelf.set(key, found);
    const entries = () => [...shelf.values()].reduce((sum, { count }) => sum + count, 0);
    while (shelf.size > 1 && entries() > MAX_ENTRIES) shelf.pop();
    return found;
  };
  const judge = (about: CheckedCertificate, policy: RevocationPolicy, crls: readonly CrlIndex[]) =>
    crlStatus(about.certificate, {
      issuer: about.issuer,
      authorities: about.authorities,
      crls,
      at: options.clock.now(),
      ...(policy.crlMaxAgeSeconds === undefined ? {} : { maxAgeSeconds: policy.crlMaxAgeSeconds }),
    });

  return {
    ask: async (about, policy, maxAgeSeconds) => {
      const read = (url: string) => {
        assertListed(url, policy);
        return held(url, about).current(maxAgeSeconds);
      };
      const complete = await readParts(crlUrls(about, policy), about, read);
      const deltas = await readParts(deltaUrls(about, policy, complete.lists), about, read);
      const status = judge(about, policy, [...complete.lists, ...deltas.lists]);
      if (status.status !== 'unknown') return status;
      const problems = [...complete.problems, ...deltas.problems];
      throw problems.length > 0
        ? unproven(about.certificate, problems)
        : invalidEvidence(about.certificate, `crl: ${status.problem}`);
    },
    recall: async (about, policy) => {
      const read = (urls: readonly (readonly string[])[]) =>
        Promise.all(urls.flat().map((url) => held(url, about).recall()));
      const complete = (await read(crlUrls(about, policy))).flatMap((crl) => crl ?? []);
      const deltas = (await read(deltaUrls(about, policy, complete))).flatMap((crl) => crl ?? []);
      const status = judge(about, policy, [...complete, ...deltas]);
      return status.status === 'unknown' ? undefined : status;
    },
  };
}

interface Part {
  readonly lists: readonly CrlIndex[];
  readonly problems: readonly UnprovenStatus[];
}

type Read = (url: string) => Promise<CrlIndex>;

/** One list for each entry of `parts`, which holds alternatives. */
async function readParts(
  parts: readonly (readonly string[])[],
  { certificate }: CheckedCertificate,
  read: Read,
): Promise<Part> {
  const found = await Promise.all(parts.map((urls) => firstList(urls, certificate, read)));
  return {
    lists: found.flatMap(({ lists }) => lists),
    problems: found.flatMap(({ problems }) => problems),
  };
}

/** The first list of the alternatives that can be had. */
async function firstList(urls: readonly string[], certificate: Certificate, read: Read): Promise<Part> {
  const problems: UnprovenStatus[] = [];
  for (const url of urls) {
    try {
      // One after another: the second address is of the same list.
      return { lists: [await read(url)], problems: [] };
    } catch (error) {
      const isBad = isRefusal(error, 'ERR_CRL_UNTRUSTED');
      problems.push((isBad ? invalidEvidence : noEvidence)(certificate, `crl: ${problemOf(error)}`));
    }
  }
  return { lists: [], problems };
}

interface HeldListOptions extends CrlShelfOptions {
  readonly url: string;
  readonly about: CheckedCertificate;
}

function holdList(key: string, options: HeldListOptions): HeldList {
  const { io, indexer, clock, log, coolDownSeconds, url, about } = options;
  const file = `${hash('sha256', key, 'hex')}.crl`;
  const index = (bytes: Buffer) => indexer.index(bytes, [about.issuer, ...about.authorities]);
  const kept = io.load(file).then(async (bytes) => {
    if (bytes === undefined) return undefined;
    return index(bytes).catch((error: unknown) => {
      log.emit('revocation.kept.refused', { url, error });
      return undefined;
    });
  });
  const fetched = createRefreshable({
    clock,
    coolDownSeconds,
    read: async () => {
      const bytes = await io.fetchCrl(url);
      const list = await index(bytes);
      const before = fetched.last?.value ?? (await kept);
      if (before !== undefined && !isSuccessor(list, before)) {
        log.emit('revocation.crl.rollback', { url });
        const issuer = formatName(list.issuer);
        throw new OpenBankingError('ERR_CRL_UNTRUSTED', {
          issuer,
          problem: 'it is older than one that was seen',
        });
      }
      await io.keep(file, bytes);
      return list;
    },
  });
  const recall = async () => fetched.last?.value ?? (await kept);
  return {
    recall,
    get count() {
      return fetched.last?.value.count ?? 0;
    },
    current: async (maxAgeSeconds) => {
      try {
        return (await fetched.fresh(maxAgeSeconds)).value;
      } catch (error) {
        const last = await recall();
        const isGood = last?.nextUpdate !== undefined && clock.now() <= last.nextUpdate;
        if (last === undefined || !isGood) throw error;
        log.emit('revocation.refresh.failed', { url, error });
        return last;
      }
    },
  };
}

/** Neither number nor date may go back (RFC 5280 §5.2.3); the same list again is no step back. */
function isSuccessor(list: CrlIndex, before: CrlIndex): boolean {
  const isSame =
    list.scope.number === before.scope.number && list.thisUpdate.getTime() === before.thisUpdate.getTime();
  return isSame || list.isNewerThan(before);
}

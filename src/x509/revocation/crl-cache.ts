import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { KeptDocument } from '../../remote/kept-document.ts';
import { keptName } from '../../remote/kept-folder.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { shownName } from '../certificate/distinguished-name.ts';
import { type CrlIndex, crlStatus } from '../crl/crl.ts';
import type { CrlIndexer } from '../crl/crl-indexer.ts';
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

export interface CrlCacheOptions {
  readonly io: RevocationIo;
  readonly indexer: CrlIndexer;
  readonly clock: Clock;
  readonly log: Log;
  readonly coolDownSeconds: number;
}

/** Lists that are held at once: issuers of TPP certificates are a few dozen, in a few parts each. */
const MAX_LISTS = 128;
/** Entries of all lists, at 20 bytes each: the largest list that is read has about a million. */
const MAX_ENTRIES = 10_000_000;

/** The CRLs that are in use, each fetched once for all the certificates of its scope. */
export class CrlCache {
  readonly #options: CrlCacheOptions;
  /** By the key of the issuer and the address: another CA has another list, also at the same address. */
  readonly #lists = new LRUCache<string, KeptDocument<CrlIndex>>({ max: MAX_LISTS });

  constructor(options: CrlCacheOptions) {
    this.#options = options;
  }

  /**
   * The status that the lists of a certificate prove. A list that was fetched longer ago than `maxAgeSeconds` is
   * fetched again; when that fails, the last list counts until its nextUpdate.
   *
   * @throws ERR_CERT_REVOCATION_INVALID, ERR_CERT_REVOCATION_UNAVAILABLE
   */
  async ask(
    about: CheckedCertificate,
    policy: RevocationPolicy,
    maxAgeSeconds: number,
  ): Promise<ProvenStatus> {
    const read = async (url: string) => {
      assertListed(url, policy);
      return this.#listOf(url, about).current(maxAgeSeconds);
    };
    const complete = await readParts(crlUrls(about, policy), about, read);
    const deltas = await readParts(deltaUrls(about, policy, complete.lists), about, read);
    const status = this.#statusOf(about, policy, [...complete.lists, ...deltas.lists]);
    if (status.status !== 'unknown') return status;
    const problems = [...complete.problems, ...deltas.problems];
    throw problems.length > 0
      ? unproven(about.certificate, problems)
      : invalidEvidence(about.certificate, `crl: ${status.problem}`);
  }

  /** The status that the lists in memory and on disk prove, without a request. */
  async recall(about: CheckedCertificate, policy: RevocationPolicy): Promise<ProvenStatus | undefined> {
    const read = async (urls: readonly (readonly string[])[]) => {
      const lists = await Promise.all(urls.flat().map((url) => this.#listOf(url, about).recall()));
      return lists.flatMap((list) => list ?? []);
    };
    const complete = await read(crlUrls(about, policy));
    const deltas = await read(deltaUrls(about, policy, complete));
    const status = this.#statusOf(about, policy, [...complete, ...deltas]);
    return status.status === 'unknown' ? undefined : status;
  }

  /** The lists in memory. */
  get held(): readonly CrlIndex[] {
    return [...this.#lists.values()].flatMap(({ inMemory }) => inMemory ?? []);
  }

  #statusOf(about: CheckedCertificate, policy: RevocationPolicy, crls: readonly CrlIndex[]) {
    return crlStatus(about.certificate, {
      issuer: about.issuer,
      pathAbove: about.pathAbove,
      crls,
      at: this.#options.clock.now(),
      maxAgeSeconds: policy.crlMaxAgeSeconds,
    });
  }

  #listOf(url: string, about: CheckedCertificate): KeptDocument<CrlIndex> {
    const key = `${about.key.issuerKeyHash} ${url}`;
    const list = this.#lists.get(key) ?? openList(keptName(key, 'crl'), { ...this.#options, url, about });
    this.#lists.set(key, list);
    const entries = () => [...this.#lists.values()].reduce((sum, one) => sum + (one.inMemory?.count ?? 0), 0);
    while (this.#lists.size > 1 && entries() > MAX_ENTRIES) this.#lists.pop();
    return list;
  }
}

interface ListOptions extends CrlCacheOptions {
  readonly url: string;
  readonly about: CheckedCertificate;
}

function openList(name: string, options: ListOptions): KeptDocument<CrlIndex> {
  const { io, indexer, clock, log, coolDownSeconds, url, about } = options;
  return new KeptDocument<CrlIndex>({
    clock,
    coolDownSeconds,
    folder: io.folder,
    name,
    fetch: () => io.fetchCrl(url),
    parse: (bytes) => indexer.index(bytes, [about.issuer, ...about.pathAbove]),
    assertSuccessor: (list, before) => {
      if (isSuccessor(list, before)) return;
      log.emit('revocation.crl.rollback', { url });
      throw new OpenBankingError('ERR_CRL_UNTRUSTED', {
        issuer: shownName(list.issuer),
        problem: 'it is older than one that was seen',
      });
    },
    isUsable: ({ nextUpdate }) => nextUpdate !== undefined && clock.now() <= nextUpdate,
    onCopyRefused: (error) => log.emit('revocation.kept.refused', { url, error }),
    onNotRenewed: (error) => log.emit('revocation.refresh.failed', { url, error }),
  });
}

/** Neither number nor date may go back (RFC 5280 §5.2.3); the same list again is no step back. */
function isSuccessor(list: CrlIndex, before: CrlIndex): boolean {
  const isSame =
    list.scope.number === before.scope.number && list.thisUpdate.getTime() === before.thisUpdate.getTime();
  return isSame || list.isNewerThan(before);
}

interface Part {
  readonly lists: readonly CrlIndex[];
  readonly problems: readonly UnprovenStatus[];
}

type Read = (url: string) => Promise<CrlIndex>;

/** One list for each entry of `parts`; an entry holds the alternative addresses of its list. */
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

/** The list of the first address that serves a good one. */
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

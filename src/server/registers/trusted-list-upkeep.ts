import type { Clock } from '../../clock.ts';
import type { TrustedListsValue } from '../../configuration/tpp/trust-schema.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { DocumentSource } from '../../remote/document-source.ts';
import type { ProxySettings } from '../../remote/proxy.ts';
import { Upkeep } from '../../remote/upkeep.ts';
import { join } from 'node:path';
import { importLists } from '../../trusted-lists/import.ts';
import { ListFolder } from '../../trusted-lists/list-folder.ts';
import type { ListFile } from '../../trusted-lists/list-of-lists.ts';
import { ProvingThread } from '../../trusted-lists/proving-thread.ts';
import { RememberedProofs } from '../../trusted-lists/remembered-proofs.ts';
import { refreshTrustedLists, type TrustedListRefreshOptions } from '../../trusted-lists/refresh.ts';
import { MAX_TRUSTED_LIST_BYTES } from '../../trusted-lists/xml/document.ts';
import { readCertificateFile } from '../../x509/certificate/certificate-file.ts';
import { parseAnchor } from '../../x509/certificate/certificate.ts';

export interface TrustedListParts {
  /** Where the lists stand in the configuration, `trust[0].lists`. */
  readonly place: string;
  readonly proxy: ProxySettings | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly onProgress?: TrustedListRefreshOptions['onProgress'];
}

/** A list of 3 MB over a slow line. */
const TIMEOUT_SECONDS = 60;
const COOL_DOWN_SECONDS = 15;

/** Keeps the trusted lists of a configuration fresh, and what they prove in the folder's snapshot. */
export class TrustedListUpkeep {
  readonly folder: ListFolder;
  readonly #upkeep: Upkeep;
  readonly #documents: DocumentSource;
  readonly #proofs = new RememberedProofs();

  private constructor(lists: TrustedListsValue, officialJournal: readonly Buffer[], parts: TrustedListParts) {
    const { proxy, clock, log } = parts;
    const folder = new ListFolder(lists.folder);
    this.folder = folder;
    this.#documents = new DocumentSource({
      clock,
      coolDownSeconds: COOL_DOWN_SECONDS,
      privateHosts: lists.privateHosts,
      // Lists are signed.
      allowHttp: true,
      proxy,
      timeoutSeconds: TIMEOUT_SECONDS,
      maxBytes: MAX_TRUSTED_LIST_BYTES,
    });
    this.#upkeep = new Upkeep({
      turnFile: join(lists.folder, 'refresh.turn'),
      refreshSeconds: lists.refreshSeconds,
      askedAt: async () => (await folder.snapshot())?.askedAt,
      refresh: (renew) => this.#refresh({ lists, officialJournal, parts, renew }),
      onFault: (error) => log.emit('trusted-list.not-renewed', { kind: 'EU', error }),
      clock,
    });
  }

  /**
   * Opens the folder. Where nothing is proved yet, the lists are fetched and proved first.
   *
   * @throws ERR_CONFIG_INVALID, ERR_TRUSTED_LIST_*, ERR_OUTBOUND_*
   */
  static async open(lists: TrustedListsValue, parts: TrustedListParts): Promise<TrustedListUpkeep> {
    const upkeep = new TrustedListUpkeep(lists, await readOfficialJournal(lists, parts.place), parts);
    try {
      await upkeep.folder.open();
      await upkeep.#upkeep.makeFirst();
      return upkeep;
    } catch (error) {
      await upkeep.close();
      throw error;
    }
  }

  /**
   * Proves files that were fetched elsewhere, puts them into the folder, and proves the folder anew.
   *
   * @returns what was imported, such as `EU 332`
   * @throws ERR_TRUSTED_LIST_*
   */
  static async import(
    files: readonly ListFile[],
    lists: TrustedListsValue,
    parts: TrustedListParts,
  ): Promise<readonly string[]> {
    const officialJournal = await readOfficialJournal(lists, parts.place);
    const thread = new ProvingThread();
    try {
      const folder = new ListFolder(lists.folder);
      const imported = await importLists(files, { folder, officialJournal, thread });
      const offline = new TrustedListUpkeep({ ...lists, address: undefined }, officialJournal, parts);
      await offline.refreshNow();
      await offline.close();
      return imported;
    } finally {
      await thread.close();
    }
  }

  /** Fetches and proves now; false when another process does. @throws ERR_TRUSTED_LIST_*, ERR_OUTBOUND_* */
  refreshNow(): Promise<boolean> {
    return this.#upkeep.refreshNow();
  }

  async close(): Promise<void> {
    await Promise.all([this.#documents.close(), this.#upkeep.close()]);
  }

  async #refresh(turn: {
    readonly lists: TrustedListsValue;
    readonly officialJournal: readonly Buffer[];
    readonly parts: TrustedListParts;
    readonly renew: () => Promise<void>;
  }): Promise<void> {
    const { lists, officialJournal, parts, renew } = turn;
    const { clock, log, onProgress } = parts;
    const proving = new ProvingThread();
    try {
      await this.#proofs.during(proving, (thread) =>
        refreshTrustedLists({
          folder: this.folder,
          address: lists.address,
          officialJournal,
          territories: lists.territories,
          fetch: async (address) => {
            await renew();
            return this.#documents.fetch(address);
          },
          thread,
          clock,
          log,
          onProgress,
        }),
      );
    } finally {
      await proving.close();
    }
  }
}

async function readOfficialJournal(
  { officialJournalFile: file }: TrustedListsValue,
  place: string,
): Promise<readonly Buffer[]> {
  const path = `${place}.officialJournalFile`;
  const text = await readRequired(file, path);
  const { certificates, faults } = readCertificateFile(text, parseAnchor);
  if (certificates.length > 0 && faults.length === 0) return certificates.map(({ der }) => der);
  throw invalidConfig(file, [{ path, message: faults[0] ?? 'has no certificate' }]);
}

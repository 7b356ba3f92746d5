import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { UkDirectoryValue } from '../../configuration/tpp/uk-directory-schema.ts';
import type { Log } from '../../events.ts';
import type { ProxySettings } from '../../remote/proxy.ts';
import { Upkeep } from '../../remote/upkeep.ts';
import { keptDirectory, refreshUkDirectory } from '../../../tpp-registry/sources/uk-directory/refresh.ts';
import { UkDirectoryConnection } from './uk-directory-connection.ts';

export interface UkDirectoryUpkeepParts {
  readonly proxy: ProxySettings | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the copy of the UK directory in a folder fresh. */
export class UkDirectoryUpkeep {
  readonly #upkeep: Upkeep;
  #open: UkDirectoryConnection | undefined;

  private constructor(
    { folder, refreshSeconds }: UkDirectoryValue,
    connection: NonNullable<UkDirectoryValue['connection']>,
    { proxy, clock, log }: UkDirectoryUpkeepParts,
  ) {
    const { address } = connection;
    const connect = async () => {
      this.#open = await UkDirectoryConnection.open(connection, { proxy, clock });
      return this.#open;
    };
    this.#upkeep = new Upkeep({
      turnFile: join(folder, 'refresh.turn'),
      refreshSeconds,
      askedAt: async () => (await keptDirectory(folder))?.state.askedAt,
      refresh: async (renew) => {
        await refreshUkDirectory({ folder, address, connect, renew, clock, log });
      },
      onFault: (error) => log.emit('uk-directory.not-renewed', { url: address, error }),
      clock,
    });
  }

  /**
   * Keeps a directory with a connection fresh; undefined for one without. Where there is no copy yet, it is fetched first.
   *
   * @throws ERR_CONFIG_INVALID, ERR_REGISTER_*, ERR_OUTBOUND_*
   */
  static async open(
    directory: UkDirectoryValue,
    parts: UkDirectoryUpkeepParts,
  ): Promise<UkDirectoryUpkeep | undefined> {
    const { connection } = directory;
    if (connection === undefined) return undefined;
    // A file that is missing is known at the start, not at the first refresh.
    await (await UkDirectoryConnection.open(connection, parts)).close();
    const upkeep = new UkDirectoryUpkeep(directory, connection, parts);
    try {
      await upkeep.#upkeep.makeFirst();
      return upkeep;
    } catch (error) {
      await upkeep.close();
      throw error;
    }
  }

  /** Asks the directory now; false when another process does. @throws ERR_REGISTER_*, ERR_OUTBOUND_* */
  refreshNow(): Promise<boolean> {
    return this.#upkeep.refreshNow();
  }

  async close(): Promise<void> {
    await Promise.all([this.#open?.close(), this.#upkeep.close()]);
  }
}

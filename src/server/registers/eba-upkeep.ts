import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import type { EbaRegisterValue } from '../../configuration/tpp/registry-schema.ts';
import type { Log } from '../../events.ts';
import { isListed } from '../../remote/document-source.ts';
import { Outbound } from '../../remote/outbound.ts';
import type { ProxySettings } from '../../remote/proxy.ts';
import { Upkeep } from '../../remote/upkeep.ts';
import { OpenBankingError } from '../../errors.ts';
import {
  keptRegister,
  MAX_ZIP_BYTES,
  refreshEbaRegister,
} from '../../../tpp-registry/sources/eba/refresh.ts';

export interface EbaUpkeepParts {
  readonly proxy: ProxySettings | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** 20 MB over a slow line. */
const TIMEOUT_SECONDS = 300;

/** Keeps the copy of the EBA register in a folder fresh. */
export class EbaUpkeep {
  readonly #upkeep: Upkeep;
  readonly #outbound: Outbound;

  private constructor(
    { folder, refreshSeconds }: EbaRegisterValue,
    address: string,
    { outbound, clock, log }: { readonly outbound: Outbound; readonly clock: Clock; readonly log: Log },
  ) {
    this.#outbound = outbound;
    this.#upkeep = new Upkeep({
      turnFile: join(folder, 'refresh.turn'),
      refreshSeconds,
      askedAt: async () => (await keptRegister(folder))?.state.askedAt,
      refresh: async (renew) => {
        const fetch = async (url: string, maxBytes: number) => {
          await renew();
          return this.#fetch(url, maxBytes);
        };
        await refreshEbaRegister({ folder, address, fetch, clock, log });
      },
      onFault: (error) => log.emit('eba-register.not-renewed', { url: address, error }),
      clock,
    });
  }

  /**
   * Keeps a register with an address fresh; undefined for one without. Where there is no copy yet, it is fetched first.
   *
   * @throws ERR_CONFIG_INVALID, ERR_REGISTER_*, ERR_OUTBOUND_*
   */
  static async open(register: EbaRegisterValue, parts: EbaUpkeepParts): Promise<EbaUpkeep | undefined> {
    const { address, caFile, privateHosts } = register;
    if (address === undefined) return undefined;
    const outbound = new Outbound({
      allowPrivateAddresses: isListed(address, privateHosts),
      caPem: caFile === undefined ? undefined : await readRequired(caFile, 'registry.eba.caFile'),
      proxy: parts.proxy,
      timeoutSeconds: TIMEOUT_SECONDS,
      maxBytes: MAX_ZIP_BYTES,
    });
    const upkeep = new EbaUpkeep(register, address, { ...parts, outbound });
    try {
      await upkeep.#upkeep.makeFirst();
      return upkeep;
    } catch (error) {
      await upkeep.close();
      throw error;
    }
  }

  /** Asks the register now; false when another process does. @throws ERR_REGISTER_*, ERR_OUTBOUND_* */
  refreshNow(): Promise<boolean> {
    return this.#upkeep.refreshNow();
  }

  async close(): Promise<void> {
    await Promise.all([this.#outbound.close(), this.#upkeep.close()]);
  }

  async #fetch(url: string, maxBytes: number): Promise<Buffer> {
    const { status, body } = await this.#outbound.fetchBytes(url);
    const host = URL.parse(url)?.host ?? '';
    if (status !== 200) {
      const details = { host, problem: `the answer has status ${status}`, status };
      throw new OpenBankingError('ERR_OUTBOUND_ANSWER', details);
    }
    if (body.length > maxBytes) {
      const details = { host, problem: `the answer is larger than ${maxBytes} bytes` };
      throw new OpenBankingError('ERR_OUTBOUND_ANSWER', details);
    }
    return body;
  }
}

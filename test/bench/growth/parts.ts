import type { Bank } from '../../durability/bank.ts';
import { childrenOf, startOwn } from '../tokens/contenders.ts';
import { openCpuQuota } from '../workers/cpu-quota.ts';
import { writeRegistry } from './filled-files.ts';
import type { Case } from './measure.ts';
import { clientsPart, consentsPart, revocationsPart, tokensPart } from './store-parts.ts';

export interface Part {
  /** What grows. */
  readonly axis: string;
  readonly sizes: readonly number[];
  /** Warm servers, one for each size at least. */
  open(bank: Bank, sizes: readonly number[]): AsyncIterable<Case>;
}

const MILLION = [10_000, 100_000, 1_000_000];
const OPAQUE = { accessToken: { format: 'opaque' } };
/** Of a core, for each worker: four of them leave the other core to the load. */
const SHARE = 0.25;
const CONNECTIONS_EACH = 16;
/** Requests at once on any number of connections: a server refuses a thousand at once, as it should. */
const AT_ONCE = 30;
/** A changed registry comes into use within such a burst. */
const CHANGE_SECONDS = 6;

/** The parts of the table of growth. */
export const PARTS: Readonly<Record<string, Part>> = {
  tokens: { axis: 'live opaque tokens', sizes: MILLION, open: tokensPart },
  revocations: { axis: 'revoked JWTs', sizes: MILLION, open: revocationsPart },
  clients: { axis: 'clients in the store', sizes: MILLION, open: clientsPart },
  consents: { axis: 'consents, tokens by refresh', sizes: MILLION, open: consentsPart },
  tpps: { axis: 'TPPs in the registry', sizes: [200, 5000, 50_000], open: tppsPart },
  connections: { axis: 'connections', sizes: [1, 30, 1000], open: connectionsPart },
  workers: { axis: 'workers of a quarter of a core', sizes: [1, 2, 4], open: workersPart },
};

/** Opaque tokens of one TPP; and the same while a changed registry comes into use. */
async function* tppsPart(bank: Bank, sizes: readonly number[]): AsyncIterable<Case> {
  for (const isChanging of [false, true]) {
    for (const count of sizes) {
      const name = isChanging ? 'changing' : 'steady';
      const registry = { file: writeRegistry(bank, count, { name }), pollSeconds: 1 };
      const server = await startOwn(bank, `tpps ${name} ${count}`, { ...OPAQUE, registry });
      let edition = 0;
      const during = () => {
        edition += 1;
        writeRegistry(bank, count, { name, edition });
        return { end: async () => {} };
      };
      yield {
        ...{ at: count, server },
        ...(isChanging ? { note: 'as a changed copy comes', seconds: CHANGE_SECONDS, during } : {}),
      };
    }
  }
}

async function* connectionsPart(bank: Bank, sizes: readonly number[]): AsyncIterable<Case> {
  for (const connections of sizes) {
    const server = await startOwn(bank, `connections ${connections}`, OPAQUE);
    yield { at: connections, server, burst: { connections, atOnce: AT_ONCE } };
  }
}

/** JWTs, which need no store: the workers share the signing keys and the ports only. */
async function* workersPart(bank: Bank, sizes: readonly number[]): AsyncIterable<Case> {
  for (const count of sizes) {
    const server = await startOwn(bank, `workers ${count}`, {
      ...{ workers: count, accessToken: { format: 'jwt' } },
    });
    const pid = server.child.pid ?? 0;
    const quotas = (count === 1 ? [pid] : childrenOf(pid)).map((one) => openCpuQuota(one));
    yield {
      ...{ at: count, server, burst: { connections: CONNECTIONS_EACH * count } },
      warmTimes: count,
      // The compiler of the engine has done its work.
      onWarm: () => {
        for (const quota of quotas) quota.limit(SHARE);
      },
      close: () => {
        for (const quota of quotas) quota.close();
      },
    };
  }
}

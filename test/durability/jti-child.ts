import { replayDetectionUnique } from '../../src/authorization-server/models/adapter.ts';
import { RecordLimits } from '../../src/authorization-server/models/record-limits.ts';
import { epochSeconds, systemClock } from '../../src/clock.ts';
import { isRefusal } from '../../src/errors.ts';
import { silentLog } from '../../src/events.ts';
import { readDpopProof, verifyDpopProof } from '../../src/resource-server/dpop/dpop-proof.ts';
import { openRedisStore } from '../../src/storage/redis/redis.ts';
import type { RedisSettings } from '../../src/storage/redis/redis-settings.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import type { JtiRound, JtiWins } from './jti-races.ts';

/*
 * A process that must take each `jti` once, whoever else sees it: of client assertions as the token endpoint does,
 * of DPoP proofs as an API does that has given its middleware a shared store.
 */
const [, , settings = '{}'] = process.argv;
const storage: { readonly redis?: RedisSettings; readonly file?: string } = JSON.parse(settings);
const { redis, file = '' } = storage;
const parts = { clock: systemClock, log: silentLog };
const store = await (redis === undefined
  ? openSqliteStore({ file, ...parts })
  : openRedisStore({ settings: redis, ...parts }));
const limits = new RecordLimits({ pushedRequestsPerMinute: 600, recordsPerMinute: 60_000 });
const isNewAssertion = replayDetectionUnique({ store, secret: Buffer.alloc(32, 7), limits });

async function isNewProof({ method, url, proof, token, jkt }: JtiRound): Promise<boolean> {
  const now = epochSeconds(systemClock.now());
  const request = { method, url, rawHeaders: ['DPoP', proof] };
  try {
    await verifyDpopProof(
      await readDpopProof(request),
      { request, jkt, holder: 'certificate', token, now },
      {
        origin: 'https://api.example',
        maxAgeSeconds: 60,
        clockToleranceSeconds: 10,
        claimProof: (id, until) => store.putIfAbsent('DpopProof', id, { value: null, expiresAt: until }),
        verifyNonce: undefined,
      },
    );
    return true;
  } catch (error) {
    if (isRefusal(error, 'ERR_DPOP_PROOF') && error.details.problem === 'the proof was used before')
      return false;
    throw error;
  }
}

async function count(ways: number, attempt: () => Promise<boolean>): Promise<number> {
  return (await Promise.all(Array.from({ length: ways }, attempt))).filter(Boolean).length;
}

process.on('message', (round: JtiRound) => {
  const end = epochSeconds(systemClock.now()) + 60;
  void Promise.all([
    count(round.ways, () => isNewAssertion('https://tpp.example', round.jti, end)),
    count(round.ways, () => isNewProof(round)),
  ]).then(([assertion, proof]) => void process.send?.({ assertion, proof } satisfies JtiWins));
});
process.on('disconnect', () => void store.close().then(() => process.exit(0)));
process.send?.('ready');

import { hash } from 'node:crypto';
import { ClientRecords } from '../../../src/authorization-server/clients/client-records.ts';
import { clientSchema, registeredClient } from '../../../src/authorization-server/clients/client-schema.ts';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { BenchTpp } from './many-tpps.ts';

const AT_ONCE = 500;

/** The client of a number: one of `tpps[number % tpps.length]`. */
export function clientIdOf(number: number): string {
  return hash('sha256', `client ${number}`, 'base64url').slice(0, 22);
}

/** Writes clients into a SQLite file as registrations of the statement profile `certificate` do. */
export async function fillStore(
  file: string,
  {
    secret,
    tpps,
    count,
  }: { readonly secret: Buffer; readonly tpps: readonly BenchTpp[]; readonly count: number },
): Promise<void> {
  const store = await openSqliteStore({ file, clock: systemClock, log: silentLog });
  const records = new ClientRecords({ store, clock: systemClock, secret });
  const write = async (number: number) => {
    const tpp = tpps[number % tpps.length];
    if (tpp === undefined) throw new Error('no TPP');
    const at = systemClock.now().toISOString();
    const isNew = await records.create({
      client: registeredClient(
        clientSchema.parse({
          client_id: clientIdOf(number),
          client_name: tpp.plan.tradingName,
          authorization_number: tpp.authorizationNumber,
          nca: tpp.plan.nca.id,
          token_endpoint_auth_method: 'tls_client_auth',
          redirect_uris: [`https://app.${tpp.plan.name}.tpp.example/callback/${number}`],
          grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
          scope: 'openid accounts payments',
        }),
      ),
      ...{ status: 'active', origin: 'registration', createdAt: at, changedAt: at },
      registration: { profile: 'certificate', accessTokenHashes: [hash('sha256', `${number}`, 'base64url')] },
    });
    if (!isNew) throw new Error('the store has the client');
  };
  for (let at = 0; at < count; at += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - at) }, (_, one) => write(at + one)));
  }
  await store.close();
}

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importJWK, type JWK, SignJWT } from 'jose';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { RecordToStore, Store } from '../../../src/storage/store.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

/*
 * What the tests of equal answers share: the writes of a store, and client assertions, good and broken.
 */

interface RecordingOptions
  extends Pick<NonNullable<Parameters<typeof startTestSandbox>[0]>, 'amendConfiguration'> {
  /** For the file of the store. */
  readonly folder: string;
  readonly note: (kind: string, id: string, record: RecordToStore) => void;
}

/** A sandbox on SQLite, with a note of each record that it has written. */
export async function startRecordingSandbox({
  folder,
  note,
  amendConfiguration,
}: RecordingOptions): Promise<TestSandbox> {
  const file = join(folder, 'bank.sqlite');
  const store = await openSqliteStore({ file, clock: systemClock, log: silentLog });
  return startTestSandbox({
    store: recordingStore(store, note),
    ...(amendConfiguration === undefined ? {} : { amendConfiguration }),
  });
}

/** The same store, which notes each record that it has written. */
function recordingStore(
  store: Store,
  note: (kind: string, id: string, record: RecordToStore) => void,
): Store {
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      const method: unknown = target[name];
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        const done: unknown = method.apply(target, args);
        if (name !== 'put' && name !== 'putIfAbsent') return done;
        return Promise.resolve(done).then((isWritten) => {
          if (isWritten !== false) note(args[0] as string, args[1] as string, args[2] as RecordToStore);
          return isWritten;
        });
      };
    },
  });
}

export const ASSERTIONS = [
  'none',
  'good',
  'of another key',
  'for another server',
  'expired',
  'without a jti',
  'of another client',
  'used before',
  'no JWT',
  'without its type',
] as const;

export type AssertionKind = (typeof ASSERTIONS)[number];

/** The parameters of a client assertion of `money-one`. */
export async function signedAssertion(
  sandbox: TestSandbox,
  kind: Exclude<AssertionKind, 'none'>,
): Promise<Record<string, string>> {
  const tpp = kind === 'of another key' ? 'accounts-app' : 'money-one';
  const { description } = sandbox;
  const jwk: JWK = JSON.parse(readFileSync(tppNamed(description, tpp).signingKeyFile, 'utf8'));
  const clientId = kind === 'of another client' ? 'accounts-app-jwt' : 'money-one-jwt';
  const jti = kind === 'without a jti' ? {} : { jti: randomUUID() };
  const text = await new SignJWT(jti)
    .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(kind === 'for another server' ? 'https://other.example' : description.issuer)
    .setExpirationTime(kind === 'expired' ? '-1h' : '1m')
    .sign(await importJWK(jwk, 'ES256'));
  const form = {
    client_assertion: kind === 'no JWT' ? 'e30.e30' : text,
    ...(kind === 'without its type'
      ? {}
      : { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }),
  };
  if (kind === 'used before') {
    await sandbox.post('money-one', '/token', {
      ...form,
      grant_type: 'client_credentials',
      scope: 'accounts',
    });
  }
  return form;
}

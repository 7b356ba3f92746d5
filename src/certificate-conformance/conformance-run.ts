import { readFile } from 'node:fs/promises';
import { systemClock } from '../clock.ts';
import { invalidConfig } from '../errors.ts';
import { silentLog } from '../events.ts';
import { openRevocationService } from '../sandbox/revocation/revocation-service.ts';
import { ClientRequests } from './target/client-requests.ts';
import { exchange, type ExchangeOptions } from './target/exchange.ts';
import { runPlan } from './plan.ts';
import { issueFreshCertificate } from './folder/fresh-certificate.ts';
import { type ClientName, openPreparedFolder, type PreparedFolder } from './folder/prepared-folder.ts';
import type { Result } from './rules.ts';
import { readTarget, type Target, type TargetOptions } from './target/target.ts';

export interface RunOptions extends TargetOptions {
  readonly folder: string;
  /** CAs of the target's own certificate; undefined: those of Node. */
  readonly caFile?: string | undefined;
  readonly timeoutSeconds: number;
  /** Other ids than the prepared ones. */
  readonly clientIds?: Partial<Readonly<Record<ClientName, string>>>;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly assertionAudience?: string | undefined;
  /** Address on which CRLs and OCSP are served. Default: loopback. */
  readonly revocationHost?: string | undefined;
  readonly authorize?: ((url: URL) => Promise<URL>) | undefined;
  /** Called before anything is tried. */
  readonly begin?: ((target: Target, prepared: PreparedFolder) => void) | undefined;
  readonly report?: ((results: readonly Result[]) => void) | undefined;
}

/**
 * Runs the plan against a target, while it serves CRLs and OCSP. Sends to the addresses that the options and the metadata
 * name, one request at a time.
 *
 * @throws ERR_CONFIG_INVALID for a folder that is not prepared, and for a target that is not reached
 */
export async function runConformance(options: RunOptions): Promise<readonly Result[]> {
  const opened = await openPreparedFolder(options.folder, systemClock.now());
  const prepared = opened.withClientIds(options.clientIds ?? {});
  const exchangeOptions: ExchangeOptions = {
    caPem: options.caFile === undefined ? undefined : await readCa(options.caFile),
    timeoutSeconds: options.timeoutSeconds,
  };
  const target = await readTarget(options, exchangeOptions);
  await assertReached(target, exchangeOptions);
  const requests = await ClientRequests.open(prepared, target, {
    parameters: options.parameters ?? {},
    assertionAudience: options.assertionAudience,
  });
  options.begin?.(target, prepared);
  const fresh = await issueFreshCertificate(prepared);
  let asked: string[] = [];
  const revocation = await openRevocationService(prepared.folder, {
    port: prepared.tester.revocationPort,
    host: options.revocationHost ?? '127.0.0.1',
    log: silentLog,
    onRequest: (path) => asked.push(path),
  });
  try {
    return await runPlan({
      requests,
      fresh,
      exchange: exchangeOptions,
      authorize: options.authorize,
      takeRevocationRequests: () => {
        const taken = asked;
        asked = [];
        return taken;
      },
      report: options.report ?? (() => {}),
    });
  } finally {
    await revocation.close();
  }
}

async function readCa(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw invalidConfig('--ca', [{ path: file, message: `cannot be read: ${cause.code}` }], cause);
  });
}

/** A server that is not there, or whose own certificate is not trusted, fails no rule. */
async function assertReached(target: Target, options: ExchangeOptions): Promise<void> {
  const { tokenEndpoint, parEndpoint, resource } = target;
  const urls = [tokenEndpoint, parEndpoint, resource].filter((url) => url !== undefined);
  if (urls.length === 0) {
    throw invalidConfig('command line', [{ path: '--issuer', message: 'or --resource is needed' }]);
  }
  const origins = [...new Set(urls.map(({ origin }) => origin))];
  for (const origin of origins) {
    const answer = await exchange({ url: new URL(origin) }, options);
    if (!('failure' in answer)) continue;
    const { failure, text } = answer;
    if (failure === 'unreachable' || failure === 'untrusted-server' || failure === 'late') {
      const advice = failure === 'untrusted-server' ? '; name the CA of the server: --ca' : '';
      throw invalidConfig('command line', [{ path: origin, message: `${text}${advice}` }]);
    }
  }
}

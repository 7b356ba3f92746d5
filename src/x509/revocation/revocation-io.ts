import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { createOutbound, type Outbound } from '../../remote/outbound.ts';

export interface RevocationIoOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where the last good answers are kept over a restart. Absent: nowhere. */
  readonly folder?: string;
  /** `host` or `host:port` that may have addresses of this machine or of private networks. Default: none. */
  readonly privateHosts?: readonly string[];
  readonly ocspTimeoutSeconds: number;
  readonly crlTimeoutSeconds: number;
  readonly maxCrlBytes: number;
  /** How long a server that did not answer is left alone. */
  readonly coolDownSeconds: number;
}

/** All that revocation checking does to the world outside: fetches, and keeps files. */
export interface RevocationIo {
  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED */
  askOcsp(url: string, request: Buffer): Promise<Buffer>;
  /** @throws ERR_OUTBOUND_REFUSED, ERR_OUTBOUND_FAILED */
  fetchCrl(url: string): Promise<Buffer>;
  /** A kept answer, if there is one that can be read. */
  load(name: string): Promise<Buffer | undefined>;
  /** A full disk costs the answer at the next start, not the one of now: it is logged. */
  keep(name: string, bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** An answer of one certificate takes 1 to 3 kB. */
const MAX_OCSP_BYTES = 131_072;
/** Failures in a row after which an address is left alone: one may be an accident. */
const MAX_FAILURES = 2;
/** Kept files that nobody wrote anew for so long are of certificates that have gone. */
const MAX_KEPT_SECONDS = 30 * 86_400;
/** Drafts of a process that was killed; those of another one that shares the folder are younger. */
const MAX_DRAFT_SECONDS = 3600;

export function createRevocationIo(options: RevocationIoOptions): RevocationIo {
  const { privateHosts = [], ocspTimeoutSeconds, crlTimeoutSeconds, maxCrlBytes, folder } = options;
  const clients = (caps: { readonly timeoutSeconds: number; readonly maxBytes: number }) => ({
    public: createOutbound({ ...caps, allowHttp: true }),
    private: createOutbound({ ...caps, allowHttp: true, allowPrivateAddresses: true }),
  });
  const ocsp = clients({ timeoutSeconds: ocspTimeoutSeconds, maxBytes: MAX_OCSP_BYTES });
  const crl = clients({ timeoutSeconds: crlTimeoutSeconds, maxBytes: maxCrlBytes });
  const breaker = new Breaker(options);
  const kept = folder === undefined ? undefined : openFolder(folder, options.clock);
  const unlessDiskFails = async <T>(run: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await run();
    } catch (error) {
      options.log.emit('revocation.folder.failed', { file: folder ?? '', error });
      return undefined;
    }
  };
  // Told at the start, not at the first login.
  void unlessDiskFails(async () => kept);
  const clientFor = (of: typeof ocsp, url: string): Outbound =>
    hasHost(privateHosts, url) ? of.private : of.public;
  return {
    askOcsp: (url, request) =>
      breaker.run(url, () =>
        bodyOf(url, clientFor(ocsp, url), {
          method: 'POST',
          headers: { 'content-type': 'application/ocsp-request', accept: 'application/ocsp-response' },
          body: request,
        }),
      ),
    fetchCrl: (url) => breaker.run(url, () => bodyOf(url, clientFor(crl, url))),
    load: (name) => unlessDiskFails(async () => (await kept)?.load(name)),
    keep: (name, bytes) => unlessDiskFails(async () => (await kept)?.keep(name, bytes)),
    close: async () => {
      await Promise.all([ocsp.public, ocsp.private, crl.public, crl.private].map((one) => one.close()));
    },
  };
}

/** @throws ERR_OUTBOUND_REFUSED when the policy lists hosts and this one is not among them */
export function assertListed(url: string, { hosts }: { readonly hosts?: readonly string[] }): void {
  if (hosts === undefined || hasHost(hosts, url)) return;
  const host = URL.parse(url)?.host ?? '';
  throw new OpenBankingError('ERR_OUTBOUND_REFUSED', { host, problem: 'the host is not listed' });
}

/** Whether a list of `host` and `host:port` names the host of a URL. */
function hasHost(hosts: readonly string[], text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return hosts.some((host) => host === url.hostname || host === `${url.hostname}:${port}`);
}

async function bodyOf(
  url: string,
  client: Outbound,
  request?: Parameters<Outbound['fetchBytes']>[1],
): Promise<Buffer> {
  const { status, body } = await client.fetchBytes(url, request);
  if (status === 200) return body;
  throw new OpenBankingError('ERR_OUTBOUND_FAILED', {
    host: hostOf(url),
    problem: `the answer has status ${status}`,
  });
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? '';
}

/** Addresses that are remembered as failing: those of the issuers in use. */
const MAX_REMEMBERED = 1000;

/** Leaves an address alone that does not answer, so that not every request waits for it. */
class Breaker {
  readonly #options: Pick<RevocationIoOptions, 'clock' | 'coolDownSeconds'>;
  readonly #failures = new LRUCache<string, { readonly count: number; readonly at: number }>({
    max: MAX_REMEMBERED,
  });

  constructor(options: Pick<RevocationIoOptions, 'clock' | 'coolDownSeconds'>) {
    this.#options = options;
  }

  async run<T>(url: string, fetch: () => Promise<T>): Promise<T> {
    const failed = this.#failures.get(url);
    const now = this.#options.clock.now().getTime() / 1000;
    if (
      failed !== undefined &&
      failed.count >= MAX_FAILURES &&
      now - failed.at < this.#options.coolDownSeconds
    ) {
      throw new OpenBankingError('ERR_OUTBOUND_FAILED', {
        host: hostOf(url),
        problem: 'it did not answer a moment ago',
      });
    }
    try {
      const value = await fetch();
      this.#failures.delete(url);
      return value;
    } catch (error) {
      if (isRefusal(error, 'ERR_OUTBOUND_FAILED')) {
        this.#failures.set(url, { count: (failed?.count ?? 0) + 1, at: now });
      }
      throw error;
    }
  }
}

/** Names are made of hexadecimal digits by those who keep: no text of a certificate reaches a path. */
async function openFolder(folder: string, clock: Clock): Promise<Pick<RevocationIo, 'load' | 'keep'>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeOld(folder, clock);
  return {
    load: (name) =>
      readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      }),
    keep: async (name, bytes) => {
      const draft = join(folder, `${name}.${randomBytes(6).toString('hex')}.new`);
      await writeFile(draft, bytes, { mode: 0o600 });
      await rename(draft, join(folder, name));
    },
  };
}

async function removeOld(folder: string, clock: Clock): Promise<void> {
  const now = clock.now().getTime();
  const names = (await readdir(folder)).filter((name) =>
    /^[0-9a-f]{64}\.(ocsp|crl)(\.[0-9a-f]{12}\.new)?$/.test(name),
  );
  await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const { mtimeMs } = await stat(path);
      const longest = name.endsWith('.new') ? MAX_DRAFT_SECONDS : MAX_KEPT_SECONDS;
      if (now - mtimeMs > longest * 1000) await rm(path, { force: true });
    }),
  );
}

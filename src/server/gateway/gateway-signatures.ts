import type { Clock } from '../../clock.ts';
import { readRequired } from '../../configuration/configured-files.ts';
import type { GatewaySignatureConfig } from '../../configuration/gateway-config.ts';
import { invalidConfig } from '../../errors.ts';
import type { Log } from '../../events.ts';
import {
  createMessageSignatures,
  type IssuerClientKeys,
  issuerClientKeys,
  type KeysOf,
  type MessageSignatureOptions,
  type MessageSignatures,
} from '../../resource-server/index.ts';
import { FollowedKeyPair } from '../followed-key-pair.ts';

interface Parts {
  /** The configuration, for problems. */
  readonly source: string;
  readonly clock: Clock;
  readonly log: Log;
  /** PEM of the CA of the issuer's TLS certificate, as the file is now; undefined for a public one. */
  readonly caPem: () => string | undefined;
}

const CLOSE_MILLISECONDS = 30_000;

/** The signatures of the routes of a gateway. */
export interface GatewaySignatures {
  of(need: 'required' | 'if-present'): MessageSignatures;
  close(): Promise<void>;
}

/**
 * Opens the files of the signatures. The key for answers and the CAs of seals are read once; the gateway's own
 * certificate is followed.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openSignatures(
  config: GatewaySignatureConfig,
  parts: Parts,
): Promise<GatewaySignatures> {
  const keys =
    config.format === 'berlin-group' ? undefined : await FollowedClientKeys.open(config.clientKeys, parts);
  const options = await optionsOf(config, keys?.keysOf ?? (() => ({ keys: [] })), parts);
  const make = (request: 'required' | 'if-present') => {
    try {
      return createMessageSignatures({ ...options, request });
    } catch (cause) {
      if (!(cause instanceof Error)) throw cause;
      throw invalidConfig(parts.source, [{ path: 'signatures', message: cause.message }], cause);
    }
  };
  const made = { required: make('required'), 'if-present': make('if-present') };
  return { of: (need) => made[need], close: async () => keys?.close() };
}

async function optionsOf(
  config: GatewaySignatureConfig,
  keysOf: KeysOf,
  { clock }: Parts,
): Promise<MessageSignatureOptions> {
  switch (config.format) {
    case 'fapi-2': {
      const { clientKeys, response, ...rest } = config;
      return defined({ ...rest, clock, keysOf, response: response && (await answerKey(response)) });
    }
    case 'uk-detached-jws': {
      const { clientKeys, issuers, response, ...rest } = config;
      const issuersOf = ({ clientId }: { readonly clientId: string }) => issuers[clientId] ?? [];
      return defined({
        ...rest,
        clock,
        keysOf,
        issuersOf,
        response: response && { ...response, ...(await answerKey(response)) },
      });
    }
    case 'berlin-group': {
      const { seals, ...rest } = config;
      const { anchorsFile, intermediatesFile } = seals;
      const intermediatesPem =
        intermediatesFile && (await readRequired(intermediatesFile, 'signatures.seals.intermediatesFile'));
      const anchorsPem = await readRequired(anchorsFile, 'signatures.seals.anchorsFile');
      return defined({ ...rest, clock, seals: defined({ anchorsPem, intermediatesPem }) });
    }
  }
}

async function answerKey({
  keyId,
  privateKeyFile,
}: {
  readonly keyId: string;
  readonly privateKeyFile: string;
}) {
  return { keyId, privateKeyPem: await readRequired(privateKeyFile, 'signatures.response.privateKeyFile') };
}

type Defined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** An absent field of the configuration is undefined; an option of the package is absent. */
function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<T>;
}

/** The keys of clients, read with the certificate and the CA as their files are now. */
class FollowedClientKeys {
  readonly #endpoint: string;
  readonly #own: FollowedKeyPair;
  readonly #parts: Parts;
  #made: { readonly with: readonly unknown[]; readonly source: IssuerClientKeys } | undefined;

  private constructor(endpoint: string, own: FollowedKeyPair, parts: Parts) {
    this.#endpoint = endpoint;
    this.#own = own;
    this.#parts = parts;
  }

  static async open(
    { endpoint, ...files }: Readonly<Record<'endpoint' | 'certificateFile' | 'privateKeyFile', string>>,
    parts: Parts,
  ): Promise<FollowedClientKeys> {
    const own = await FollowedKeyPair.open({ ...files, ...parts, place: 'signatures.clientKeys' });
    return new FollowedClientKeys(endpoint, own, parts);
  }

  readonly keysOf: KeysOf = (authorization, keyId) => this.#current().keysOf(authorization, keyId);

  async close(): Promise<void> {
    await Promise.all([this.#made?.source.close(), this.#own.close()]);
  }

  #current(): IssuerClientKeys {
    const [pair, caPem] = [this.#own.current, this.#parts.caPem()];
    const made = this.#made;
    if (made !== undefined && made.with[0] === pair && made.with[1] === caPem) return made.source;
    const { clock } = this.#parts;
    const source = issuerClientKeys({ ...pair, endpoint: this.#endpoint, caPem, clock });
    this.#made = { with: [pair, caPem], source };
    // Requests that the former one has begun still end.
    if (made !== undefined) setTimeout(() => void made.source.close(), CLOSE_MILLISECONDS).unref();
    return source;
  }
}

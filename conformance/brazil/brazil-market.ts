import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { openFinanceBrasil } from '../../src/authorization-server/profiles/open-finance-brasil.ts';
import type { SandboxDescription } from '../../src/sandbox/folder.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { BRAZIL_BASE } from '../../src/sandbox/bank/brazil/consents.ts';
import { API_SCOPES } from '../../src/sandbox/bank/demo-bank.ts';
import { STATEMENT_ISSUERS } from '../../src/sandbox/registers/software-directory.ts';
import { bindAddressOf } from '../../src/sandbox/sandbox-configuration.ts';
import { pathsOf } from '../../src/sandbox/sandbox-paths.ts';
import type { ClientKey } from '../client-keys.ts';
import { BrazilDirectory, directoryAddresses } from './brazil-directory.ts';
import { type BrazilSoftware, makeBrazilSoftware } from './brazil-software.ts';

/** A natural person of the suite's examples. */
const CPF = '76109277673';
const SCOPE = 'openid accounts consents';

type Members = Readonly<Record<string, unknown>>;

/** The parts of a bank for registration as in Brazil, with a directory and a CA of our own in place of the Brazilian ones. */
export class BrazilMarket {
  readonly #software: BrazilSoftware;
  readonly #origin: string;
  #directory: BrazilDirectory | undefined;

  private constructor(software: BrazilSoftware, origin: string) {
    this.#software = software;
    this.#origin = origin;
  }

  /** Before the server starts, which then knows where the directory will be. `host` is the name in every address. */
  static async prepare(folder: string, key: ClientKey, host = 'localhost'): Promise<BrazilMarket> {
    const name = isIPv6(host) ? `[${host}]` : host;
    return new BrazilMarket(await makeBrazilSoftware(folder, key), `https://${name}:${await freePort()}`);
  }

  /** Members of the server's configuration. */
  settings({ acrValues, trust, profiles }: Members): Members {
    const { jwksUri } = directoryAddresses(this.#origin);
    const anchor = { profile: 'own-ca', anchorsFile: this.#software.caFile, revocation: { mode: 'none' } };
    const { allowed } = profiles as { readonly allowed: readonly string[] };
    return {
      apiScopes: [...API_SCOPES, 'consents'],
      acrValues: [...(acrValues as readonly string[]), ...(openFinanceBrasil.market?.acrValues ?? [])],
      trust: [...(trust as readonly unknown[]), anchor],
      profiles: { allowed: [...allowed, openFinanceBrasil.name] },
      registration: {
        profiles: [
          {
            profile: 'open-finance-brasil',
            directory: { issuer: STATEMENT_ISSUERS['open-finance-brasil'], jwksUri },
          },
        ],
        allowLoopbackRedirects: true,
        quotas: { clients: 1000, requestsPerHour: 10_000 },
      },
    };
  }

  /** When the sandbox runs, whose certificate the directory has. */
  async open(folder: string, sandbox: SandboxDescription, redirectUris: readonly string[]): Promise<void> {
    this.#directory = await BrazilDirectory.open({
      software: this.#software,
      redirectUris,
      tls: pathsOf(folder).server,
      origin: this.#origin,
      bindAddress: bindAddressOf(sandbox),
    });
  }

  /** Members of the suite's configuration. */
  async suiteMembers({ caFile, resourceUrl }: SandboxDescription): Promise<Members> {
    const { certificateFile, keyFile, listed, privateKeys } = this.#software;
    const [cert, key, ca] = await Promise.all(
      [certificateFile, keyFile, caFile].map((file) => readFile(file, 'utf8')),
    );
    const { discoveryUrl, apiBase } = directoryAddresses(this.#origin);
    return {
      client: { scope: SCOPE, jwks: { keys: privateKeys } },
      mtls: { cert, key, ca },
      directory: {
        ...{ discoveryUrl, apibase: apiBase, keystore: apiBase },
        client_id: listed.softwareId,
      },
      resource: {
        resourceUrl: `${resourceUrl}/accounts`,
        consentUrl: `${resourceUrl}${BRAZIL_BASE}/consents`,
        brazilCpf: CPF,
      },
    };
  }

  async close(): Promise<void> {
    await this.#directory?.close();
  }
}

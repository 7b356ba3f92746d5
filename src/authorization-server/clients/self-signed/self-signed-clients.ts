import type { X509Certificate } from 'node:crypto';
import type { JWK } from 'jose';
import type { Context } from 'koa';
import type { PresentedCertificate } from '../../../mutual-tls/presented-certificate.ts';
import type { Tpp, TppEvaluation } from '../../../tpp/authenticate.ts';
import {
  type CertificateOwner,
  type SelfSignedOptions,
  SelfSignedCertificates,
} from '../../../tpp/self-signed.ts';
import { acceptsSelfSigned, type Profiles } from '../../profiles/profiles.ts';
import type { KeysByAddress } from '../keys-by-address.ts';
import type { Clients } from '../clients.ts';
import { tppOf } from '../registered-client.ts';
import { certificatesOf, SELF_SIGNED_METHOD } from './registered-certificates.ts';

/** Undefined where the bank accepts no self-signed certificates. */
export function openSelfSigned(
  options: Omit<SelfSignedClientsOptions, 'namedClient'> & { readonly profiles: Profiles },
  namedClient: SelfSignedClientsOptions['namedClient'],
): SelfSignedClients | undefined {
  return acceptsSelfSigned(options.profiles) ? new SelfSignedClients({ ...options, namedClient }) : undefined;
}

export interface SelfSignedClientsOptions extends SelfSignedOptions {
  readonly clients: Pick<Clients, 'find'>;
  readonly keysByAddress: KeysByAddress;
  /** The client that a request names: a hint, which the certificate has to prove. */
  readonly namedClient: (ctx: Context) => Promise<string | undefined>;
}

/**
 * `self_signed_tls_client_auth` (RFC 8705 §2.2) at the TPP gate. A self-signed certificate names no TPP: the request names its
 * client, the client's registration has the certificate and the TPP, and the registry has the roles.
 */
export class SelfSignedClients {
  readonly #decision: SelfSignedCertificates;
  readonly #owners: CertificateOwners;
  readonly #namedClient: SelfSignedClientsOptions['namedClient'];

  constructor(options: SelfSignedClientsOptions) {
    this.#decision = new SelfSignedCertificates(options);
    this.#owners = new CertificateOwners(options);
    this.#namedClient = options.namedClient;
  }

  /** Whether this decision is meant, and not that about a TPP certificate, whose issuer has another name. */
  isMeant({ certificate }: { readonly certificate: X509Certificate }): boolean {
    return certificate.issuer === certificate.subject;
  }

  /** @throws as `SelfSignedCertificates.authenticate`, ERR_STORAGE_UNAVAILABLE, and the codes of `readForm` */
  async authenticate(ctx: Context, presented: PresentedCertificate): Promise<Tpp> {
    const clientId = await this.#namedClient(ctx);
    return this.#decision.authenticate(presented, await this.#ownerOf(clientId, presented));
  }

  /** The same decision with its steps, for a client of this name. @throws ERR_STORAGE_UNAVAILABLE */
  async evaluate(
    presented: Pick<PresentedCertificate, 'der' | 'thumbprint'>,
    clientId: string | undefined,
  ): Promise<TppEvaluation> {
    return this.#decision.evaluate(presented, await this.#ownerOf(clientId, presented));
  }

  async #ownerOf(clientId: string | undefined, { thumbprint }: Pick<PresentedCertificate, 'thumbprint'>) {
    return clientId === undefined ? undefined : this.#owners.find(clientId, thumbprint);
  }
}

/** The certificates of a client that names itself in a request. Those by value are read once for each registration. */
class CertificateOwners {
  readonly #clients: Pick<Clients, 'find'>;
  readonly #keysByAddress: KeysByAddress;
  readonly #byValue = new WeakMap<object, readonly string[]>();

  constructor(parts: { readonly clients: Pick<Clients, 'find'>; readonly keysByAddress: KeysByAddress }) {
    this.#clients = parts.clients;
    this.#keysByAddress = parts.keysByAddress;
  }

  /**
   * Undefined for a client that is unknown, may not act, or authenticates in another way. An address of keys is read again
   * for a certificate that is not known, at most once in a while.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async find(clientId: string, thumbprint: string): Promise<CertificateOwner | undefined> {
    const client = await this.#clients.find(clientId);
    if (client?.token_endpoint_auth_method !== SELF_SIGNED_METHOD) return undefined;
    const { jwks, jwks_uri: address } = client;
    const thumbprints =
      address === undefined ? this.#ofValue(jwks) : await this.#ofAddress(address, thumbprint);
    return { clientId, tpp: tppOf(client), thumbprints };
  }

  #ofValue(jwks: { readonly keys: readonly JWK[] } | undefined): readonly string[] {
    if (jwks === undefined) return [];
    const known =
      this.#byValue.get(jwks) ?? certificatesOf(jwks.keys as readonly Readonly<Record<string, unknown>>[]);
    this.#byValue.set(jwks, known);
    return known;
  }

  async #ofAddress(address: string, thumbprint: string): Promise<readonly string[]> {
    const keys = this.#keysByAddress.at(address);
    const known = await keys.certificates();
    return known.includes(thumbprint) || !keys.mayRenew ? known : keys.renewedCertificates();
  }
}

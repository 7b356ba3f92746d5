import type { IncomingMessage } from 'node:http';
import {
  type OwnProgram,
  ResourceServerIdentification,
} from '../../authorization-server/tokens/resource-servers.ts';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { createClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { type Certificate, readableCertificates } from '../../x509/certificate/certificate.ts';
import { evaluatePath, TLS_CLIENT_POLICY } from '../../x509/path/path.ts';
import type { Operator, Role } from './operator.ts';

/** A person or program that a certificate of the stated CA names. */
export interface ManagementCaller extends OwnProgram {
  readonly name: string;
  readonly roles: readonly Role[];
}

export interface ManagementCallersOptions {
  readonly callers: readonly ManagementCaller[];
  /** The CA of all client certificates; `current` is read at each use. */
  readonly anchors: { readonly current: readonly Certificate[] };
  readonly clock: Clock;
}

/** Reads the certificate of a connection to the management listener. */
export class ManagementCallers {
  readonly #source = createClientCertificateSource({ from: 'socket' });
  readonly #callers: ResourceServerIdentification<ManagementCaller>;
  readonly #options: ManagementCallersOptions;

  constructor(options: ManagementCallersOptions) {
    this.#callers = new ResourceServerIdentification(options.callers);
    this.#options = options;
  }

  /**
   * The operator of the certificate; undefined for a certificate of the stated CA that the configuration does not name.
   * Does not check revocation: the bank takes the caller out of the configuration.
   *
   * @throws ERR_CERT_MISSING, ERR_PROXY_UNTRUSTED, and the refusals of a path to the stated CA
   */
  identify(request: IncomingMessage): Operator | undefined {
    const read = this.#source.read(request);
    if (read.certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
    const at = this.#options.clock.now();
    const [caller] = this.#callers.find(read.certificate, () => read.intermediates, at);
    if (caller !== undefined) return { name: caller.name, roles: caller.roles, by: 'certificate' };
    const [certificate, ...intermediates] = readableCertificates([
      read.certificate.der,
      ...read.intermediates,
    ]);
    if (certificate === undefined) throw new OpenBankingError('ERR_MANAGEMENT_UNKNOWN', {});
    const { current: anchors } = this.#options.anchors;
    const evaluation = evaluatePath(certificate, { anchors, intermediates, at, policy: TLS_CLIENT_POLICY });
    if ('path' in evaluation) return undefined;
    throw new OpenBankingError('ERR_MANAGEMENT_UNKNOWN', {});
  }
}

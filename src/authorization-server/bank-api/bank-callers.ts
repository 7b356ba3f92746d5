import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { createClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { type OwnProgram, ResourceServerIdentification } from '../tokens/resource-servers.ts';
import type { BankApiPart } from './contract.ts';

/** A program of the bank that may call the bank API. */
export interface BankCaller extends OwnProgram {
  readonly name: string;
  /** The parts that the caller may use. */
  readonly may: readonly BankApiPart[];
}

/** Names the caller of a request by the certificate of its connection. */
export class BankCallers {
  readonly #source = createClientCertificateSource({ from: 'socket' });
  readonly #callers: ResourceServerIdentification<BankCaller>;
  readonly #clock: Clock;

  constructor({ callers, clock }: { readonly callers: readonly BankCaller[]; readonly clock: Clock }) {
    this.#callers = new ResourceServerIdentification(callers);
    this.#clock = clock;
  }

  /**
   * Does not check revocation: the bank takes the caller out of the configuration.
   *
   * @throws ERR_CERT_MISSING, ERR_PROXY_UNTRUSTED, ERR_BANK_CALLER_UNKNOWN
   */
  identify(request: IncomingMessage): BankCaller {
    const { certificate, ...presented } = readCertificate(request, this.#source);
    const [caller] = this.#callers.find(certificate, presented.hints, this.#clock.now());
    if (caller === undefined) throw new OpenBankingError('ERR_BANK_CALLER_UNKNOWN', {});
    return caller;
  }
}

function readCertificate(request: IncomingMessage, source: ReturnType<typeof createClientCertificateSource>) {
  const read = source.read(request);
  if (read.certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
  return { certificate: read.certificate, hints: () => read.intermediates };
}

/** @throws ERR_BANK_CALLER_PART */
export function assertMay({ name, may }: BankCaller, part: BankApiPart): void {
  if (!may.includes(part)) throw new OpenBankingError('ERR_BANK_CALLER_PART', { caller: name, part });
}

import type { CibaClient } from './ciba-clients.ts';
import type { SandboxClient } from './sandbox-clients.ts';
import type { CertificateFiles, TppCertificateFiles } from './sandbox-paths.ts';

/** `sandbox.json`: the facts for a foreign client or a test. File names are absolute. */
export interface SandboxDescription {
  readonly issuer: string;
  readonly mtlsUrl: string;
  readonly resourceUrl: string;
  /** The page of the demo TPP, for a browser. */
  readonly tppUrl: string;
  /** The demo bank's application on the customer's phone, for a browser. */
  readonly appUrl: string;
  readonly caFile: string;
  /** The audit record of the server: its folder, the key of its checkpoints, the store with the last one. */
  readonly audit: { readonly folder: string; readonly keyFile: string; readonly storeFile: string };
  /** Base URL of the PKI's revocation service: `/ocsp`, `/root.crl`, `/issuing-ca.crl`. Plain HTTP. */
  readonly revocationUrl: string;
  /** The public registers that the sandbox plays; absent: it was made without. */
  readonly registers?: SandboxRegisters;
  readonly tpps: readonly SandboxTpp[];
  readonly pkcs12Passphrase: string;
  readonly broken: readonly (CertificateFiles & { readonly name: string; readonly expectedCode: string })[];
  readonly customers: readonly SandboxCustomer[];
}

/** A customer of the demo bank. */
export interface SandboxCustomer {
  readonly username: string;
  readonly password: string;
  /** The key of the customer's generator of codes (RFC 6238), in Base32. */
  readonly totpSecret: string;
}

/** Where the sandbox's own registers are. */
export interface SandboxRegisters {
  /** The folder of the sandbox, in which commands change the registers. */
  readonly folder: string;
  /** Address of the file metadata. */
  readonly ebaRegisterUrl: string;
  /** Origin of the UK directory. */
  readonly ukDirectoryUrl: string;
  readonly listOfListsUrl: string;
  /** Base URL of the directory of software statements. */
  readonly softwareDirectoryUrl: string;
  readonly officialJournalFile: string;
  /** A QWAC of `travel-pay`, of an issuer whose service was withdrawn before. */
  readonly formerIssuer: CertificateFiles;
}

export interface SandboxTpp extends TppCertificateFiles {
  readonly name: string;
  readonly legalName: string;
  readonly organizationIdentifier: string;
  readonly roles: readonly string[];
  readonly status: string;
  readonly clients: Readonly<
    Record<
      'tls_client_auth' | 'private_key_jwt',
      { readonly client_id: string; readonly redirect_uris: readonly string[] }
    >
  >;
  /** More clients, each with what its registration has beyond the plain ones; only for TPPs with every role. */
  readonly moreClients: readonly SandboxClient[];
  /** Clients that ask customers on their phones (CIBA). Their requests are signed with the key below. */
  readonly cibaClients: readonly CibaClient[];
  /** Private JSON Web Key of the `private_key_jwt` clients. */
  readonly signingKeyFile: string;
  /** The same key in PEM. */
  readonly signingKeyPemFile: string;
  readonly renewed: TppCertificateFiles;
  readonly seal: TppCertificateFiles;
}

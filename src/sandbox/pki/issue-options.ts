import type { KeyUsageFlags } from '@peculiar/x509';
import type { PspRole } from '../../../tpp-registry/record.ts';
import type { KeyType } from './keys.ts';

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Nca {
  readonly id: string;
  readonly name: string;
}

/** The publication addresses of a CA, to which the certificates that it issues point. */
export interface Pointers {
  readonly ocspUrl?: string;
  readonly crlUrl?: string;
  /** Its own certificate, in DER. */
  readonly certificateUrl?: string;
}

/** id-kp-serverAuth (RFC 5280 §4.2.1.12). */
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export type KeyUsage = keyof typeof KeyUsageFlags;

export type Profile = 'qwac' | 'qsealc' | 'server' | 'ocsp-responder';

export interface IssueOptions extends Validity {
  readonly profile: Profile;
  readonly subject: {
    readonly commonName: string;
    readonly organization?: string;
    /** Default: the first two letters of the NCA id; none without an NCA. */
    readonly country?: string;
    /** UID (RFC 4519 §2.39): in Brazil, the software. */
    readonly userId?: string;
    /** OU: in the UK and in Brazil, once the organisation of the directory. */
    readonly unit?: string;
  };
  /** The PSP's authorization number, without the `PSD…-…-` prefix. */
  readonly authorizationNumber?: string;
  readonly nca?: Nca;
  readonly roles?: readonly PspRole[];
  readonly dnsNames?: readonly string[];
  /** Further names and addresses of a server. */
  readonly hosts?: readonly string[];
  /** Default `ec-p256`. */
  readonly keyType?: KeyType;
  /** Certifies this key instead of a new one: a reissue. */
  readonly privateKeyPem?: string;
  /** The deliberate faults, for tests and for the sandbox's broken set. */
  readonly deviation?: Deviation;
}

/** One entry of RolesOfPSP as it is to be written: the object identifier and the name may disagree. */
export interface RoleEntry {
  readonly oid: string;
  readonly name: string;
}

/** Encodings of the PSD2 statement and its extension that real certificates have got wrong. */
export type QcStatementsFault =
  | 'flat-roles'
  | 'missing-outer-sequence'
  | 'printable-nca-name'
  | 'two-psd2-statements';

export interface Deviation {
  readonly omit?: readonly ('qcStatements' | 'psd2' | 'qcCompliance' | 'qcType')[];
  /** The organizationIdentifier attributes of the subject, none for `[]`. */
  readonly organizationIdentifiers?: readonly string[];
  /** RolesOfPSP, written unchanged: wrong object identifiers, swapped names, `Unspecified`. */
  readonly roleEntries?: readonly RoleEntry[];
  /** The NCA of the PSD2 statement, if it shall differ from the NCA of the organizationIdentifier. */
  readonly statementNca?: Nca;
  readonly qcType?: 'eseal' | 'web';
  readonly qcFault?: QcStatementsFault;
  /** The whole value of the qcStatements extension, in DER. */
  readonly qcStatements?: Uint8Array;
  readonly qcStatementsCritical?: boolean;
  readonly keyUsage?: readonly KeyUsage[];
  /** Extended key usage object identifiers; `[]` leaves the extension out. */
  readonly extendedKeyUsage?: readonly string[];
  readonly signatureHash?: 'SHA-1';
  /** Other pointers than those of the authority. */
  readonly pointers?: Pointers;
  /** `ber-boolean`: one octet that BER allows and DER does not, under a right signature. */
  readonly derFault?: 'ber-boolean';
  readonly extensions?: readonly {
    readonly oid: string;
    readonly critical: boolean;
    readonly value: Uint8Array;
  }[];
}

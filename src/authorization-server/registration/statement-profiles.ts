import type { Clock } from '../../clock.ts';
import type { TppAuthenticator } from '../../tpp/authenticate.ts';
import type { KeysByAddress } from '../clients/keys-by-address.ts';
import { CdrStatement } from './directories/cdr-statement.ts';
import { CertificateStatement } from './certificate-statement.ts';
import { OpenFinanceBrasilStatement } from './directories/open-finance-brasil-statement.ts';
import type { DirectorySettings } from './directories/software-statement.ts';
import type { StatementProfile } from './statement-profile.ts';
import { UkObieStatement } from './directories/uk-obie-statement.ts';

/** One entry of `registration.profiles` of the configuration. */
export type StatementSettings =
  | {
      readonly profile: 'certificate';
      readonly unknownMembers: StatementProfile['unknownMembers'];
      /** Whether clients may have self-signed certificates. */
      readonly selfSignedCertificates: 'refuse' | 'accept';
    }
  | OfDirectory<'uk-obie', { readonly organisationId?: string | undefined }>
  | OfDirectory<'open-finance-brasil'>
  | OfDirectory<'cdr'>;

type OfDirectory<Name, More = object> = {
  readonly profile: Name;
  readonly directory: DirectorySettings;
  /** The FAPI profile of the clients. */
  readonly clientProfile: string;
} & More;

/** The parts of the server that statement profiles need. */
export interface StatementParts {
  readonly authenticator: Pick<TppAuthenticator, 'authenticateSeal'>;
  readonly keysByAddress: KeysByAddress;
  readonly issuer: string;
  readonly apiScopes: readonly string[];
  readonly clock: Clock;
}

export function createStatementProfile(settings: StatementSettings, parts: StatementParts): StatementProfile {
  const common = { ...parts, keys: parts.keysByAddress };
  switch (settings.profile) {
    case 'certificate':
      return new CertificateStatement({
        ...parts,
        unknownMembers: settings.unknownMembers,
        allowsSelfSigned: settings.selfSignedCertificates === 'accept',
      });
    case 'uk-obie':
      return new UkObieStatement({ ...common, ...settings });
    case 'open-finance-brasil':
      return new OpenFinanceBrasilStatement({ ...common, ...settings });
    case 'cdr':
      return new CdrStatement({ ...common, ...settings });
  }
}

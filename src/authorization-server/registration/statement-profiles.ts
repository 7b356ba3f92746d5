import type { Clock } from '../../clock.ts';
import type { TppAuthenticator } from '../../tpp/authenticate.ts';
import { CertificateStatement } from './certificate-statement.ts';
import type { StatementProfile } from './statement-profile.ts';

/** One entry of `registration.profiles` of the configuration. */
export type StatementSettings = {
  readonly profile: 'certificate';
  readonly unknownMembers: StatementProfile['unknownMembers'];
};

/** The parts of the server that statement profiles need. */
export interface StatementParts {
  readonly authenticator: Pick<TppAuthenticator, 'authenticateSeal'>;
  readonly issuer: string;
  readonly clock: Clock;
}

export function createStatementProfile(settings: StatementSettings, parts: StatementParts): StatementProfile {
  const { profile, unknownMembers } = settings;
  switch (profile) {
    case 'certificate':
      return new CertificateStatement({ ...parts, unknownMembers });
  }
}

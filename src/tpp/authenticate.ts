import type { Clock } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import { type PspRole, sameNca, type TppRegistry } from '../../tpp-registry/index.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { findAttribute, formatName } from '../x509/distinguished-name.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../x509/path.ts';
import { parseQcStatements } from './qc-statements.ts';
import type { TrustProfile } from './trust-profile.ts';
export interface Tpp {
  readonly authorizationNumber: string;
  readonly nca: { readonly id: string; readonly name: string };
  readonly country: string;
  readonly legalName: string;
  readonly tradingName?: string;
  readonly roles: ReadonlySet<PspRole>;
  readonly certificate: {
    readonly thumbprint: string;
    readonly serialNumber: string;
    readonly issuer: string;
    readonly notAfter: Date;
    readonly parsed: Certificate;
  };
}
export interface TppAuthenticator {
  authenticate(presented: {
    readonly der: Uint8Array;
    readonly intermediates?: readonly Uint8Array[];
  }): Promise<Tpp>;
}
export function createTppAuthenticator(o: {
  readonly trustProfiles: readonly TrustProfile[];
  readonly registry: TppRegistry;
  readonly clock: Clock;
  readonly hostCountry?: string;
}): TppAuthenticator {
  return {
    authenticate: async ({ der }) => {
      const c = parseCertificate(der);
      const subject = formatName(c.subject);
      const at = o.clock.now();
      const [profile] = o.trustProfiles;
      if (!profile) throw new TypeError();
      verifyPath(c, {
        anchors: profile.anchors,
        intermediates: profile.intermediates,
        at,
        policy: TLS_CLIENT_POLICY,
      });
      const ext = c.extensions.get('1.3.6.1.5.5.7.1.3');
      if (!ext)
        throw new OpenBankingError('ERR_TPP_STATEMENT_MISSING', { subject, statement: 'qcStatements' });
      const qc = parseQcStatements(ext.value, subject);
      if (!qc.psd2) throw new OpenBankingError('ERR_TPP_STATEMENT_MISSING', { subject, statement: 'psd2' });
      if (!qc.types.includes('0.4.0.1862.1.6.3'))
        throw new OpenBankingError('ERR_TPP_CERTIFICATE_TYPE', { subject, found: qc.types.join(' ') });
      const [authorizationNumber, more] = findAttribute(c.subject, '2.5.4.97');
      if (authorizationNumber === undefined || more !== undefined)
        throw new OpenBankingError('ERR_TPP_IDENTIFIER_INVALID', { subject, problem: 'not one' });
      const r = o.registry.find(authorizationNumber, qc.psd2.nca.id);
      if (!r)
        throw new OpenBankingError('ERR_TPP_NOT_REGISTERED', { authorizationNumber, nca: qc.psd2.nca.id });
      if (r.status !== 'active')
        throw new OpenBankingError('ERR_TPP_NOT_AUTHORIZED', {
          authorizationNumber,
          status: r.status,
          since: r.statusSince,
        });
      void sameNca;
      return {
        authorizationNumber,
        nca: qc.psd2.nca,
        country: r.country,
        legalName: r.legalName,
        roles: new Set(qc.psd2.roles.filter((x) => r.roles.has(x))),
        certificate: {
          thumbprint: c.thumbprint,
          serialNumber: c.serialNumber,
          issuer: formatName(c.issuer),
          notAfter: c.notAfter,
          parsed: c,
        },
      };
    },
  };
}

import { OpenBankingError } from '../errors.ts';
import type { PspRole } from '../../tpp-registry/record.ts';
import { DerError, type DerReader, readAll, TAG } from '../x509/der.ts';
import { ROLE_OIDS } from './psp-role.ts';
export interface QcStatements {
  readonly isQualified: boolean;
  readonly types: readonly string[];
  readonly psd2?: {
    readonly roles: readonly PspRole[];
    readonly nca: { readonly id: string; readonly name: string };
  };
}
export function parseQcStatements(der: Buffer, subject: string): QcStatements {
  const refuse = (problem: string) => new OpenBankingError('ERR_TPP_STATEMENT_INVALID', { subject, problem });
  try {
    const found = new Map<string, DerReader | undefined>();
    const out: { isQualified: boolean; types: string[]; psd2?: QcStatements['psd2'] } = {
      isQualified: false,
      types: [],
    };
    readAll(der, (reader) =>
      reader.within(TAG.sequence, (list) =>
        list.all((one) =>
          one.within(TAG.sequence, (st) => {
            const id = st.oid();
            if (found.has(id)) throw refuse('twice');
            found.set(id, undefined);
            if (id === '0.4.0.1862.1.1') out.isQualified = true;
            if (id === '0.4.0.1862.1.6') out.types = st.within(TAG.sequence, (t) => t.all((x) => x.oid()));
            else if (id === '0.4.0.19495.2')
              out.psd2 = st.within(TAG.sequence, (p) => {
                const roles = p.within(TAG.sequence, (rs) =>
                  rs.all((r) =>
                    r.within(TAG.sequence, (x) => {
                      const oid = x.oid();
                      const name = x.content(TAG.utf8String).toString('utf8');
                      const role = (Object.keys(ROLE_OIDS) as PspRole[]).find((n) => ROLE_OIDS[n] === oid);
                      if (role !== name) throw refuse('role');
                      return role;
                    }),
                  ),
                );
                return {
                  roles,
                  nca: {
                    name: p.content(TAG.utf8String).toString('utf8'),
                    id: p.content(TAG.utf8String).toString('utf8'),
                  },
                };
              });
            else while (!st.isAtEnd) st.any();
          }),
        ),
      ),
    );
    return out as QcStatements;
  } catch (error) {
    if (error instanceof DerError) throw refuse(error.message);
    throw error;
  }
}

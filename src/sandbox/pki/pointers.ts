import type { Pointers } from './issue-options.ts';

/** Where the revocation service publishes for an authority. */
export function pointersTo(baseUrl: string, authority: string): Required<Pointers> {
  return {
    ocspUrl: `${baseUrl}/ocsp`,
    crlUrl: `${baseUrl}/${authority}.crl`,
    certificateUrl: `${baseUrl}/${authority}.cer`,
  };
}

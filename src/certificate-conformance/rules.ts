/** A rule of the plan. Its id is stable: reports of different runs are compared by it. */
export interface Rule {
  readonly id: string;
  readonly title: string;
  /** The clause that asks for it. */
  readonly clause: string;
  readonly expects: 'accepted' | 'refused';
  /** `tls`: any TLS terminator can judge. `psd2`: only a reader of TS 119 495 can. `oauth`: about clients and tokens. */
  readonly level: 'tls' | 'psd2' | 'oauth';
}

const rule = (
  id: string,
  level: Rule['level'],
  clause: string,
  title: string,
  expects: Rule['expects'] = 'refused',
): Rule => Object.freeze({ id, title, clause, expects, level });

/** Rules about one certificate in place of the good one. The id is the name of the certificate in the broken set. */
export const BROKEN_RULES: readonly Rule[] = [
  rule('expired', 'tls', 'RFC 5280 §6.1.3 (a)(2)', 'the certificate has expired'),
  rule('not-yet-valid', 'tls', 'RFC 5280 §6.1.3 (a)(2)', 'the certificate is not valid yet'),
  rule('wrong-ca', 'tls', 'RFC 5280 §6.1.3 (a)(1)', 'signed by another CA with the name of the issuing CA'),
  rule('unknown-issuer', 'tls', 'RFC 5280 §6.1', 'issued by a CA that is trusted nowhere'),
  rule('missing-intermediate', 'tls', 'RFC 5280 §6.1', 'no path: the issuing CA is not to be found'),
  rule('leaf-used-as-ca', 'tls', 'RFC 5280 §6.1.4 (k)', 'issued by the certificate of a TPP, which is no CA'),
  rule('path-too-long', 'tls', 'RFC 5280 §6.1.4 (l)', 'a CA below a CA that may have none (pathLen 0)'),
  rule('server-auth-only', 'tls', 'RFC 5280 §4.2.1.12', 'extended key usage without clientAuth'),
  rule('seal-used-for-tls', 'tls', 'RFC 5280 §4.2.1.12', 'a QSealC in place of a QWAC'),
  rule('unknown-critical-extension', 'tls', 'RFC 5280 §4.2', 'a critical extension that no software knows'),
  rule('malformed-der', 'tls', 'RFC 5280 §4.1, X.690 §11.1', 'an octet that DER does not allow, signed'),
  rule('sha-1', 'tls', 'BCP 195 (RFC 9325)', 'signed with SHA-1'),
  rule('rsa-1024', 'tls', 'FAPI 2.0 §5.4.1', 'an RSA key of 1024 bits'),
  rule('revoked-by-crl', 'tls', 'RFC 5280 §6.3', 'revoked; a CRL says so'),
  rule('revoked-by-ocsp', 'tls', 'RFC 6960 §2.2', 'revoked; an OCSP responder says so'),
  rule(
    'revoked-intermediate',
    'tls',
    'RFC 5280 §6.1.3 (a)(3)',
    'its issuing CA has been revoked by the root',
  ),
  rule('no-qc-statements', 'psd2', 'EN 319 412-5 cl. 4', 'no QCStatements'),
  rule('no-psd2-statement', 'psd2', 'TS 119 495 cl. 5.1', 'QCStatements without the PSD2 statement'),
  rule('seal-type-with-client-auth', 'psd2', 'EN 319 412-5 cl. 4.2.3', 'QcType eseal, with clientAuth'),
  rule('no-role', 'psd2', 'TS 119 495 cl. 5.1', 'the PSD2 statement has no role'),
  rule(
    'role-name-and-oid-swapped',
    'psd2',
    'TS 119 495 Annex A',
    'names of roles that are not of their OIDs',
  ),
  rule('wrong-role', 'psd2', 'RTS art. 34 (3)(a)', 'the certificate lacks the role that the scope needs'),
  rule(
    'wrong-authority',
    'psd2',
    'TS 119 495 cl. 5.2.3',
    'names another competent authority than its identifier',
  ),
  rule('no-organization-identifier', 'psd2', 'TS 119 495 cl. 5.3', 'no organizationIdentifier'),
  rule(
    'malformed-organization-identifier',
    'psd2',
    'TS 119 495 cl. 5.2.1',
    'PSDGB-FCA123 without its hyphen',
  ),
  rule('unregistered-tpp', 'psd2', 'PSD2 art. 14, RTS art. 34', 'its TPP is in no registry'),
];

/** Rules that need no broken certificate. */
export const RULE = Object.freeze({
  good: rule('good', 'tls', 'RTS art. 34', 'the good certificate is accepted', 'accepted'),
  noCertificate: rule('no-certificate', 'tls', 'RFC 8705 §2, §3', 'no certificate at all'),
  renewed: rule(
    'renewed',
    'tls',
    'RFC 8705 §6.3',
    'a renewed certificate of the same TPP is accepted',
    'accepted',
  ),
  otherTpp: rule('other-tpp', 'oauth', 'RFC 8705 §2.1', "another TPP's good certificate with this client_id"),
  withdrawn: rule(
    'withdrawn-tpp',
    'psd2',
    'PSD2 art. 13, 14',
    'a good certificate; the authorization was withdrawn',
  ),
  revokedInUse: rule(
    'revoked-in-use',
    'tls',
    'RFC 5280 §6.3, RFC 6960 §4.2.2.1',
    'a certificate in use is revoked: refused within 75 seconds',
  ),
  apiGood: rule(
    'api-good',
    'oauth',
    'RFC 8705 §3',
    'the API accepts a token with its certificate',
    'accepted',
  ),
  stolen: rule('stolen-token', 'oauth', 'RFC 8705 §3', "the same token from another TPP's certificate"),
  bound: rule(
    'token-of-old-certificate',
    'oauth',
    'RFC 8705 §6.3',
    'the same token from the renewed certificate',
  ),
  bare: rule('token-without-certificate', 'oauth', 'RFC 8705 §3', 'the same token without a certificate'),
  refreshRenewed: rule(
    'refresh-renewed',
    'oauth',
    'RFC 8705 §7.1',
    'a refresh token with the renewed certificate is accepted',
    'accepted',
  ),
  refreshOther: rule(
    'refresh-other-tpp',
    'oauth',
    'RFC 8705 §7.1',
    "a refresh token with another TPP's certificate",
  ),
  refreshClient: rule(
    'refresh-other-client',
    'oauth',
    'RFC 6749 §6',
    "a refresh token, used by another TPP's client",
  ),
  refreshBare: rule(
    'refresh-no-certificate',
    'oauth',
    'RFC 8705 §2',
    'a refresh token without a certificate',
  ),
  goodAgain: rule(
    'good-again',
    'tls',
    'RTS art. 34',
    'the good certificate is still accepted after all of that',
    'accepted',
  ),
});

/** How a certificate is presented. */
export type Way =
  | 'token tls_client_auth'
  | 'token private_key_jwt'
  | 'par tls_client_auth'
  | 'par private_key_jwt'
  | 'api';

/** The outcome of one rule in one way. */
export interface Result {
  readonly rule: Rule;
  readonly way: Way;
  readonly outcome: 'passed' | 'failed' | 'not tried';
  /** The answer of the target, or the reason why nothing was tried. */
  readonly answer: string;
}

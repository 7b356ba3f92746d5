/** Names of object identifiers that certificates of TPPs hold, for people; nothing is decided by them. */
const NAMES: Readonly<Record<string, string>> = {
  // extensions
  '2.5.29.14': 'subjectKeyIdentifier',
  '2.5.29.15': 'keyUsage',
  '2.5.29.17': 'subjectAltName',
  '2.5.29.18': 'issuerAltName',
  '2.5.29.19': 'basicConstraints',
  '2.5.29.30': 'nameConstraints',
  '2.5.29.31': 'cRLDistributionPoints',
  '2.5.29.32': 'certificatePolicies',
  '2.5.29.33': 'policyMappings',
  '2.5.29.35': 'authorityKeyIdentifier',
  '2.5.29.36': 'policyConstraints',
  '2.5.29.37': 'extendedKeyUsage',
  '2.5.29.46': 'freshestCRL',
  '2.5.29.54': 'inhibitAnyPolicy',
  '2.5.29.56': 'noRevAvail',
  '1.3.6.1.5.5.7.1.1': 'authorityInfoAccess',
  '1.3.6.1.5.5.7.1.3': 'qcStatements',
  '1.3.6.1.5.5.7.1.11': 'subjectInfoAccess',
  '1.3.6.1.5.5.7.1.24': 'tlsFeature',
  '1.3.6.1.5.5.7.48.1.5': 'ocspNoCheck',
  '1.3.6.1.4.1.11129.2.4.2': 'signedCertificateTimestamps',
  '2.23.140.3.1': 'cabfOrganizationIdentifier',
  '0.4.0.194121.2.1': 'validityAssuredShortTerm',
  // extended key usages
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '1.3.6.1.5.5.7.3.8': 'timeStamping',
  '1.3.6.1.5.5.7.3.9': 'OCSPSigning',
  '1.3.6.1.4.1.311.10.3.12': 'documentSigning (Microsoft)',
  '2.5.29.37.0': 'anyExtendedKeyUsage',
  '0.4.0.194115.1.0': 'tlsBinding (2-QWAC)',
  // policies
  '2.5.29.32.0': 'anyPolicy',
  '0.4.0.194112.1.0': 'QCP-n',
  '0.4.0.194112.1.1': 'QCP-l',
  '0.4.0.194112.1.2': 'QCP-n-qscd',
  '0.4.0.194112.1.3': 'QCP-l-qscd',
  '0.4.0.194112.1.4': 'QEVCP-w',
  '0.4.0.194112.1.5': 'QNCP-w',
  '0.4.0.194112.1.6': 'QNCP-w-gen',
  '0.4.0.19495.3.1': 'QCP-w-psd2',
  '2.23.140.1.1': 'extended validation',
  '2.23.140.1.2.2': 'organization validated',
  // access methods
  '1.3.6.1.5.5.7.48.1': 'OCSP',
  '1.3.6.1.5.5.7.48.2': 'caIssuers',
  // QCStatements
  '0.4.0.1862.1.1': 'QcCompliance',
  '0.4.0.1862.1.2': 'QcLimitValue',
  '0.4.0.1862.1.3': 'QcRetentionPeriod',
  '0.4.0.1862.1.4': 'QcSSCD',
  '0.4.0.1862.1.5': 'QcPDS',
  '0.4.0.1862.1.6': 'QcType',
  '0.4.0.1862.1.7': 'QcCClegislation',
  '0.4.0.1862.1.8': 'QcIdentMethod',
  '0.4.0.1862.1.9': 'QcQSCDlegislation',
  '0.4.0.19495.2': 'PSD2 statement',
  '1.3.6.1.5.5.7.11.1': 'pkixQCSyntax-v1',
  '1.3.6.1.5.5.7.11.2': 'pkixQCSyntax-v2',
};

export function findOidName(oid: string): string | undefined {
  return NAMES[oid];
}

/** `serverAuth (1.3.6.1.5.5.7.3.1)`, or the identifier alone. */
export function oidText(oid: string): string {
  const name = findOidName(oid);
  return name === undefined ? oid : `${name} (${oid})`;
}

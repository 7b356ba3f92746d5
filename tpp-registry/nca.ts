/**
 * The competent authorities of the EEA and the United Kingdom, as certificates write them (`FI-FINFSA`), with
 * the other spellings that are in use: the EBA register's (`FI_FIN-FSA`), and former names of authorities that
 * were merged or renamed. Fictional authorities of test certificates are not here, so they are refused.
 *
 * @see TS 119 495 Annex D; EBA register code list RDL_COM_AUT_PSD
 */
const AUTHORITIES: Readonly<Record<string, readonly string[]>> = {
  'AT-FMA': [],
  'BE-NBB': [],
  'BG-BNB': [],
  'CY-CBC': [],
  'CZ-CNB': [],
  'DE-BAFIN': [],
  'DK-DFSA': [],
  'EE-FI': [],
  'ES-BE': [],
  'FI-FINFSA': ['FI-FIN-FSA'],
  'FR-ACPR': [],
  'GB-FCA': [],
  'GR-BOG': [],
  'HR-HNB': ['HR-CNB'],
  'HU-CBH': [],
  'IE-CBI': [],
  'IS-CBI': ['IS-FME'],
  'IT-BI': [],
  'LI-FMA': [],
  'LT-BL': [],
  'LU-CSSF': [],
  'LV-LV': ['LV-FCMC'],
  'MT-MFSA': [],
  'NL-DNB': [],
  'NO-FSA': [],
  'PL-PFSA': [],
  'PT-BP': [],
  'RO-NBR': [],
  'SE-FINA': [],
  'SI-BS': [],
  'SK-NBS': [],
};

const CANONICAL: ReadonlyMap<string, string> = new Map(
  Object.entries(AUTHORITIES).flatMap(([id, aliases]) => [id, ...aliases].map((name) => [name, id] as const)),
);

/** The one spelling of an authority that we compare by, or undefined for one that is not known. */
export function canonicalNca(id: string): string | undefined {
  // The register writes an underscore after the country, certificates a hyphen.
  return CANONICAL.get(id) ?? CANONICAL.get(id.replace(/^([A-Z]{2})_/, '$1-'));
}

/** Whether both name the same known authority. */
export function sameNca(a: string, b: string): boolean {
  const canonical = canonicalNca(a);
  return canonical !== undefined && canonical === canonicalNca(b);
}

import { parseQcStatements, type QcStatements, TOLERANCES } from '../../tpp/qc-statements.ts';
import { ROLE_OIDS } from '../../tpp/psp-role.ts';
import { DerReader, TAG, writeSequence } from '../../x509/der/der.ts';
import { findOidName } from './object-identifiers.ts';
import { problemOf, type ReadingProblems } from './reading-problems.ts';

/** One QCStatement. */
export interface StatementFacts {
  readonly oid: string;
  readonly name: string | undefined;
  readonly values: readonly string[];
  readonly problem: string | undefined;
}

/** The contents of the extension. Each statement is read separately, so that a bad one does not hide the others. */
export interface QcStatementsFacts {
  readonly statements: readonly StatementFacts[];
  readonly qualified: boolean;
  readonly types: readonly string[];
  readonly psd2:
    | { readonly roles: readonly string[]; readonly nca: { readonly id: string; readonly name: string } }
    | undefined;
}

const PART = 'qcStatements';

export function readStatementFacts(value: Buffer, problems: ReadingProblems): QcStatementsFacts {
  const facts = split(value, problems).map((raw) => readOne(raw, problems));
  problems.attempt(PART, () => parseQcStatements(value, PART));
  const all = facts.flatMap(({ read }) => read ?? []);
  const psd2 = all.find((one) => one.psd2 !== undefined)?.psd2;
  return {
    statements: facts.map(({ statement }) => statement),
    qualified: all.some(({ isQualified }) => isQualified),
    types: all.flatMap(({ types }) => types),
    psd2: psd2 && { roles: psd2.roleNames, nca: psd2.nca },
  };
}

/** The encoded statements; a list without its outer SEQUENCE counts as one statement. */
function split(value: Buffer, problems: ReadingProblems): readonly Buffer[] {
  const found: Buffer[] = [];
  problems.attempt(PART, () => {
    const list = new DerReader(value).element(TAG.sequence);
    if (list.content[0] === TAG.oid) found.push(list.raw);
    else {
      const reader = new DerReader(list.content);
      while (!reader.isAtEnd) found.push(reader.any().raw);
    }
  });
  return found;
}

function readOne(
  raw: Buffer,
  problems: ReadingProblems,
): { readonly statement: StatementFacts; readonly read?: QcStatements } {
  const content = () => new DerReader(raw).content(TAG.sequence);
  const oid = problems.attempt(PART, () => new DerReader(content()).oid()) ?? '';
  const named = { oid, name: findOidName(oid) };
  try {
    const read = parseQcStatements(writeSequence(raw), PART, TOLERANCES);
    const [wrong] = read.tolerated;
    const problem = wrong && `${wrong}: refused unless the trust profile tolerates it`;
    return { statement: { ...named, values: valuesOf(read), problem }, read };
  } catch (error) {
    const problem = problemOf(error);
    problems.add(PART, problem);
    return { statement: { ...named, values: [], problem } };
  }
}

function valuesOf(read: QcStatements): readonly string[] {
  const { psd2, limit, retentionYears } = read;
  return [
    ...(read.isQualified ? ['a qualified certificate'] : []),
    ...read.types,
    ...(read.hasSecureDevice ? ['the key is in a qualified device'] : []),
    ...read.legislation.map((country) => `by the law of ${country}`),
    ...read.disclosures.map(({ url, language }) => `${url} (${language})`),
    ...(limit === undefined ? [] : [`${limit.amount} × 10^${limit.exponent} ${limit.currency}`]),
    ...(retentionYears === undefined ? [] : [`${retentionYears} years`]),
    ...(psd2 === undefined
      ? []
      : [...psd2.roleNames.map(roleText), `competent authority ${psd2.nca.id} (${psd2.nca.name})`]),
  ];
}

function roleText(name: string): string {
  return Object.hasOwn(ROLE_OIDS, name) ? `role ${name}` : `role ${name}, which grants nothing here`;
}

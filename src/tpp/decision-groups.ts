import type { TppEvaluation } from './authenticate.ts';
import type { DecisionStep } from './decision.ts';
import type { Certificate } from '../x509/certificate/certificate.ts';
import { shownName } from '../x509/certificate/distinguished-name.ts';

/** Steps that belong together: those of one certificate of the path, or those of one question. */
export interface DecisionGroup {
  readonly title: string;
  readonly steps: readonly DecisionStep[];
  readonly certificate: Certificate | undefined;
}

/** The questions of a decision in their order, with the names of their rules. */
const QUESTIONS: readonly {
  readonly title: string;
  readonly rules: readonly string[];
  /** Asked only where the configuration wants it. */
  readonly isOptional?: boolean;
}[] = [
  { title: 'form', rules: ['certificate'] },
  { title: 'trust profile', rules: ['trust profile'] },
  { title: 'path', rules: [] },
  {
    title: 'statements',
    rules: ['QCStatements', 'PSD2 statement', 'QcType', 'QcCompliance', 'no QcSSCD', 'QcCClegislation'],
  },
  { title: 'identifier', rules: ['organizationIdentifier', 'competent authority'] },
  {
    title: 'self-signed',
    rules: ['registered certificate', 'self-signed', 'key strength', 'validity'],
    isOptional: true,
  },
  { title: 'trusted list', rules: ['issuer qualified'], isOptional: true },
  { title: 'block list', rules: ['not blocked'] },
  { title: 'revocation', rules: ['not revoked'] },
  { title: 'registry', rules: ['sources of the registry', 'registered', 'authorized', 'passported'] },
  { title: 'roles', rules: ['roles', 'scope'] },
];

/** Groups the steps, certificates of the path from the anchor down. Rules that nothing here knows have a group each. */
export function groupSteps(steps: readonly DecisionStep[]): readonly DecisionGroup[] {
  const groups: (DecisionGroup & { steps: DecisionStep[] })[] = [];
  for (const step of steps) {
    const title = titleOf(step);
    const last = groups.at(-1);
    if (last !== undefined && last.title === title && last.certificate === step.certificate) {
      last.steps.push(step);
    } else {
      groups.push({ title, steps: [step], certificate: step.certificate });
    }
  }
  return groups;
}

function titleOf({ rule, certificate }: DecisionStep): string {
  if (certificate !== undefined) return shownName(certificate.subject);
  return QUESTIONS.find(({ rules }) => rules.includes(rule))?.title ?? rule;
}

/** The questions that were not asked any more after a refusal. */
export function questionsLeft({ steps }: TppEvaluation): readonly string[] {
  const asked = steps.map((step) => (step.certificate === undefined ? titleOf(step) : 'path'));
  const last = QUESTIONS.findLastIndex(({ title }) => asked.includes(title));
  const left = QUESTIONS.slice(last + 1).filter(({ isOptional }) => isOptional !== true);
  return left.map(({ title }) => title);
}

/** The decision for JSON, which leaves out what is undefined; the fields are those of the tree. */
export function decisionJson(evaluation: TppEvaluation, at: Date) {
  const refusal = 'refusal' in evaluation ? evaluation.refusal : undefined;
  return {
    decision: refusal === undefined ? 'accepted' : 'refused',
    at,
    code: refusal?.code,
    rule: refusal?.rule,
    details: refusal?.details,
    tpp: 'tpp' in evaluation ? tppFacts(evaluation.tpp) : undefined,
    groups: groupSteps(evaluation.steps).map(({ title, certificate, steps }) => ({
      title,
      serialNumber: certificate?.serialNumber,
      'x5t#S256': certificate?.thumbprint,
      steps: steps.map(({ rule, clause, found, refusal: own }) => ({
        rule,
        clause,
        outcome: own === undefined ? 'passed' : 'refused',
        found,
        code: own?.code,
        details: own?.details,
      })),
    })),
    notAsked: refusal && questionsLeft(evaluation),
  };
}

function tppFacts(tpp: Extract<TppEvaluation, { readonly tpp: unknown }>['tpp']) {
  const { authorizationNumber, nca, country, legalName, tradingName, roles } = tpp;
  return { authorizationNumber, legalName, tradingName, nca, country, roles: [...roles] };
}

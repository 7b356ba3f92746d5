import type { TppEvaluation } from '../../tpp/authenticate.ts';
import { groupSteps, questionsLeft } from '../../tpp/decision-groups.ts';

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

import { answerText } from '../../answer-text.ts';
import type { TppEvaluation } from '../../tpp/authenticate.ts';
import type { DecisionStep } from '../../tpp/decision.ts';
import { groupSteps, questionsLeft } from '../../tpp/decision-groups.ts';

/**
 * Rules whose fact is of the certificate itself, of a trusted list or of a public register. The others have facts of the bank:
 * its sources, and how revocation is asked for.
 */
const SHOWN: ReadonlySet<string> = new Set([
  'trust profile',
  'QCStatements',
  'PSD2 statement',
  'QcType',
  'organizationIdentifier',
  'competent authority',
  'issuer qualified',
  'registered',
  'authorized',
  'roles',
]);

/**
 * The decision tree of `tallystick certificate verify` for the holder of the certificate: the same groups and steps, without
 * facts that the holder neither knows nor finds in a public register.
 */
export function decisionAnswer(evaluation: TppEvaluation, at: Date) {
  const refusal = 'refusal' in evaluation ? evaluation.refusal : undefined;
  return {
    decision: refusal === undefined ? 'accepted' : 'refused',
    at,
    code: refusal?.code,
    rule: refusal?.rule,
    error_description: refusal && answerText(refusal),
    groups: groupSteps(evaluation.steps).map(({ title, certificate, steps }) => ({
      title,
      serialNumber: certificate?.serialNumber,
      'x5t#S256': certificate?.thumbprint,
      steps: steps.flatMap(stepAnswer),
    })),
    notAsked: refusal && questionsLeft(evaluation),
  };
}

function stepAnswer({ rule, clause, found, refusal }: DecisionStep) {
  if (rule === 'sources of the registry') return [];
  return {
    rule,
    clause,
    outcome: refusal === undefined ? 'passed' : 'refused',
    found: SHOWN.has(rule) ? found : undefined,
    code: refusal?.code,
  };
}

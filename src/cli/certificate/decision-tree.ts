import type { OpenBankingError } from '../../errors.ts';
import type { TppEvaluation } from '../../tpp/authenticate.ts';
import type { DecisionStep } from '../../tpp/decision.ts';
import { type DecisionGroup, groupSteps, questionsLeft } from '../../tpp/decision-groups.ts';
import { mark, shown, timeText } from './shown-text.ts';

/** The decision about a certificate as a tree: each rule with its clause, the one that refused marked. */
export function decisionTree(evaluation: TppEvaluation): string {
  const groups = groupSteps(evaluation.steps);
  const left = 'refusal' in evaluation ? questionsLeft(evaluation) : [];
  const width = Math.max(...evaluation.steps.map(({ rule }) => rule.length)) + 2;
  return [
    ...groups.flatMap((group, index) =>
      branch(group, { isLast: index === groups.length - 1 && left.length === 0, width }),
    ),
    ...(left.length === 0 ? [] : [`└─ ${mark.faint(`not asked any more: ${left.join(', ')}`)}`]),
    '',
    verdictLine(evaluation),
  ].join('\n');
}

function branch(group: DecisionGroup, shape: { readonly isLast: boolean; readonly width: number }): string[] {
  const { steps, certificate } = group;
  const about = certificate === undefined ? '' : `  serial ${certificate.serialNumber}`;
  const [corner, stem] = shape.isLast ? ['└─', '   '] : ['├─', '│  '];
  return [
    `${corner} ${mark.strong(shown(group.title))}${mark.faint(about)}`,
    ...steps.flatMap((step, index) => {
      const twig = index === steps.length - 1 ? '└─' : '├─';
      return [`${stem}${twig} ${stepLine(step, shape.width)}`, ...refusalLines(step.refusal, stem)];
    }),
  ];
}

function stepLine({ rule, clause, found, refusal }: DecisionStep, width: number): string {
  const facts = found === undefined ? '' : `  ${shown(found)}`;
  if (refusal === undefined) {
    return `${mark.passed()} ${shown(rule).padEnd(width)}${mark.faint(clause)}${facts}`;
  }
  return `${mark.refused()} ${mark.bad(shown(rule).padEnd(width))}${clause}${facts}   ${mark.bad('◀ REFUSED')}`;
}

function refusalLines(refusal: OpenBankingError | undefined, stem: string): string[] {
  if (refusal === undefined) return [];
  const lines = [`${refusal.code}: ${refusal.rule}`, ...Object.entries(refusal.details).map(detailText)];
  return lines.map((line) => `${stem}      ${shown(line)}`);
}

function detailText([name, value]: [string, unknown]): string {
  if (value instanceof Date) return `${name}: ${timeText(value)}`;
  return `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`;
}

function verdictLine(evaluation: TppEvaluation): string {
  if ('refusal' in evaluation) {
    const { code, rule } = evaluation.refusal;
    return `${mark.bad('REFUSED')}  ${code}: ${rule}`;
  }
  const { authorizationNumber, legalName, roles } = evaluation.tpp;
  const held = [...roles].join(', ') || 'no role';
  return `${mark.good('ACCEPTED')}  ${shown(legalName)} (${shown(authorizationNumber)}): ${held}`;
}

import type { Findings } from './findings.ts';

/** Hosts must agree within a minute (docs/operate.md); the Date of HTTP has whole seconds. */
const WARNING_SECONDS = 5;
const PROBLEM_SECONDS = 30;

/** Another clock, and the time by this clock before it was asked and after its answer. */
interface ReadClock {
  readonly whose: string;
  readonly other: Date;
  readonly asked: Date;
  readonly answered: Date;
}

/** Judges the least difference that explains the answer, so that a slow answer is none. */
export function judgeDrift(findings: Findings, { whose, other, asked, answered }: ReadClock): void {
  const ahead = Math.max(0, other.getTime() - answered.getTime());
  const behind = Math.max(0, asked.getTime() - other.getTime());
  const seconds = Math.round(Math.max(ahead, behind) / 1000);
  const shown = `this clock and ${whose} differ by ${seconds} s`;
  const advice = 'compare both with another clock, and start NTP (chronyc tracking) where it is wrong';
  if (seconds >= PROBLEM_SECONDS) findings.problem(shown, advice);
  else if (seconds >= WARNING_SECONDS) findings.warning(shown, advice);
  else findings.ok(shown);
}

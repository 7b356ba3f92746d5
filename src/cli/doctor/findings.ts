import { type EventDefinition, type EventSink, type Log, logTo } from '../../events.ts';
import { isRefusal } from '../../errors.ts';
import { failureLines } from '../failure.ts';

/** One line of the doctor. `check` is the name of the check, such as `tls`; `advice` is the remedy. */
export type Finding = { readonly check: string; readonly message: string } & (
  | { readonly level: 'ok' }
  | { readonly level: 'warning' | 'problem'; readonly advice: string }
);

/** Reports what one check has found. */
export class Findings {
  readonly all: Finding[] = [];
  readonly #check: string;
  /** The remedy of a finding that states no other. */
  readonly #advice: string;
  /** For the checks of the start: their warnings and errors become findings. */
  readonly log: Log;

  constructor({ name, advice }: Pick<Check, 'name' | 'advice'>) {
    this.#check = name;
    this.#advice = advice;
    this.log = logTo(this.#sink());
  }

  ok(message: string): void {
    this.#add({ level: 'ok', check: this.#check, message });
  }

  warning(message: string, advice = this.#advice): void {
    this.#add({ level: 'warning', check: this.#check, message, advice });
  }

  problem(message: string, advice = this.#advice): void {
    this.#add({ level: 'problem', check: this.#check, message, advice });
  }

  /** A refusal that lists problems becomes one finding for each of them; any other error becomes one finding. */
  failed(error: unknown, advice = this.#advice): void {
    if (isRefusal(error, 'ERR_CONFIG_INVALID')) {
      const { source, problems } = error.details;
      for (const { path, message, origin = source } of problems) {
        this.problem(`${path === '' ? '' : `${path}: `}${message} (${origin})`, advice);
      }
    } else this.problem(reasonOf(error), advice);
  }

  /** Several connections and listeners may find the same. */
  #add(finding: Finding): void {
    const isKnown = ({ level, message }: Finding) => level === finding.level && message === finding.message;
    if (!this.all.some(isKnown)) this.all.push(finding);
  }

  #sink(): EventSink {
    return (_name, { level, meaning }: EventDefinition, { file, problems = [], error }) => {
      if (level !== 'error' && level !== 'warn') return;
      const facts = [
        ...(file === undefined ? [] : [file]),
        ...problems.map(({ path, message }) => `${path === '' ? '' : `${path}: `}${message}`),
        ...(error === undefined || problems.length > 0 ? [] : failureLines(error)),
      ];
      const message = [meaning, ...facts].join('; ').replaceAll(/\s+/g, ' ');
      if (level === 'error') this.problem(message);
      else this.warning(message);
    };
  }
}

/** An error in one line. */
export function reasonOf(error: unknown): string {
  return failureLines(error).join(' ').replaceAll(/\s+/g, ' ');
}

/** One check, which adds to the findings and changes nothing. */
export interface Check {
  readonly name: string;
  /** The remedy for what the parts of the start refuse or warn about in it. */
  readonly advice: string;
  run(findings: Findings): Promise<void> | void;
}

/** Runs the checks at the same time; one that takes longer than `seconds`, or throws, is a problem. */
export async function findingsOf(checks: readonly Check[], seconds: number): Promise<readonly Finding[]> {
  const all = checks.map(async (check) => {
    const findings = new Findings(check);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        findings.problem(`the check has not ended after ${seconds} seconds`);
        resolve();
      }, seconds * 1000);
    });
    const done = async () => check.run(findings);
    await Promise.race([done().catch((error: unknown) => findings.failed(error)), late]);
    clearTimeout(timer);
    return findings.all;
  });
  return (await Promise.all(all)).flat();
}

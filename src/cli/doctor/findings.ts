import { type EventDefinition, type EventSink, type Log, logTo } from '../../events.ts';
import { isRefusal } from '../../errors.ts';
import { failureLines } from '../failure.ts';

/** One line of the doctor. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem';
  /** The check that found it, such as `tls`. */
  readonly check: string;
  readonly message: string;
  /** The remedy. */
  readonly advice?: string;
}

/** Reports what one check has found. */
export class Findings {
  readonly all: Finding[] = [];
  readonly #check: string;
  /** For the checks of the start: their warnings and errors become findings. */
  readonly log: Log;

  constructor(check: string) {
    this.#check = check;
    this.log = logTo(this.#sink());
  }

  ok(message: string): void {
    this.#add('ok', message);
  }

  warning(message: string, advice?: string): void {
    this.#add('warning', message, advice);
  }

  problem(message: string, advice?: string): void {
    this.#add('problem', message, advice);
  }

  /** A refusal that lists problems becomes one finding for each of them; any other error becomes one finding. */
  failed(error: unknown, advice?: string): void {
    if (isRefusal(error, 'ERR_CONFIG_INVALID')) {
      const { source, problems } = error.details;
      for (const { path, message, origin = source } of problems) {
        this.problem(`${path === '' ? '' : `${path}: `}${message} (${origin})`, advice);
      }
    } else this.problem(failureLines(error).join(' ').replaceAll(/\s+/g, ' '), advice);
  }

  #add(level: Finding['level'], message: string, advice?: string): void {
    this.all.push({ level, check: this.#check, message, ...(advice === undefined ? {} : { advice }) });
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

/** One check, which adds to the findings and changes nothing. */
export interface Check {
  readonly name: string;
  run(findings: Findings): Promise<void> | void;
}

/** Runs the checks at the same time; one that takes longer than `seconds`, or throws, is a problem. */
export async function findingsOf(checks: readonly Check[], seconds: number): Promise<readonly Finding[]> {
  const all = checks.map(async ({ name, run }) => {
    const findings = new Findings(name);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        findings.problem(`the check has not ended after ${seconds} seconds`);
        resolve();
      }, seconds * 1000);
    });
    const done = async () => run(findings);
    await Promise.race([done().catch((error: unknown) => findings.failed(error)), late]);
    clearTimeout(timer);
    return findings.all;
  });
  return (await Promise.all(all)).flat();
}

/** One stage of a Containerfile. */
export interface Stage {
  readonly name: string;
  readonly from: string;
  readonly run: readonly string[];
  readonly copies: readonly Copy[];
  readonly instructions: readonly Instruction[];
}

export interface Copy {
  /** The stage that is copied from; absent for the folder of the build. */
  readonly stage?: string;
  readonly sources: readonly string[];
  readonly target: string;
}

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** The settings of a stage with those that it inherits. */
export interface Runtime {
  readonly user: string | undefined;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthcheck: readonly string[] | undefined;
}

/** Reads the forms that deploy/Containerfile has: one instruction a line, lists as JSON. @throws for any other */
export function parseContainerfile(text: string): readonly Stage[] {
  const stages: Stage[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', value = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (name === '' || line.endsWith('\\')) throw new Error(`not understood: ${line}`);
    if (name === 'FROM') {
      const [, from = '', own = ''] = /^(\S+) AS (\S+)$/.exec(value) ?? [];
      if (own === '') throw new Error(`a stage without a name: ${line}`);
      stages.push({ name: own, from, run: [], copies: [], instructions: [] });
    } else {
      const stage = stages.at(-1);
      if (stage !== undefined) stages[stages.length - 1] = withInstruction(stage, { name, value });
    }
  }
  return stages;
}

function withInstruction(stage: Stage, instruction: Instruction): Stage {
  const { name, value } = instruction;
  return {
    ...stage,
    run: name === 'RUN' ? [...stage.run, value] : stage.run,
    copies: name === 'COPY' ? [...stage.copies, copyOf(value)] : stage.copies,
    instructions: [...stage.instructions, instruction],
  };
}

function copyOf(value: string): Copy {
  const words = value.split(' ');
  const stage = words[0]?.startsWith('--from=') === true ? words.shift()?.slice('--from='.length) : undefined;
  const target = words.pop() ?? '';
  return { ...(stage === undefined ? {} : { stage }), sources: words, target };
}

/** The stage of a name, after the stages that it is made from. */
export function lineageOf(stages: readonly Stage[], name: string): readonly Stage[] {
  const stage = stages.find((one) => one.name === name);
  return stage === undefined ? [] : [...lineageOf(stages, stage.from), stage];
}

export function runtimeOf(stages: readonly Stage[], name: string): Runtime {
  const all = lineageOf(stages, name).flatMap(({ instructions }) => instructions);
  const last = (wanted: string) => all.findLast((one) => one.name === wanted)?.value;
  const health = last('HEALTHCHECK');
  return {
    user: last('USER'),
    entrypoint: JSON.parse(last('ENTRYPOINT') ?? '[]'),
    command: JSON.parse(last('CMD') ?? '[]'),
    healthcheck: health === undefined ? undefined : JSON.parse(health.slice(health.indexOf(' CMD ') + 5)),
  };
}

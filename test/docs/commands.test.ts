import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { fileOf, readPages } from './pages.ts';

const { scripts } = JSON.parse(readFileSync(fileOf('package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};
/** Scripts by which npm reaches the command `tallystick`, and the first words that they add. */
const COMMAND_SCRIPTS = Object.fromEntries(
  Object.entries(scripts).flatMap(([name, line]) => {
    const words = /\bsrc\/cli\/main\.ts\b(.*)$/.exec(line)?.[1];
    return words === undefined ? [] : [[name, wordsOf(words)]];
  }),
);

interface Line {
  readonly where: string;
  readonly text: string;
}

/** Every line of a shell block, and every `npm …` or `tallystick …` within a sentence. */
function commandLines(): readonly Line[] {
  return readPages().flatMap(({ path, text }) => {
    const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, code = '']) =>
      code.split('\n'),
    );
    const inline = [...text.matchAll(/`((?:[A-Z_]+=\S+ )?(?:npm|npx|tallystick) [^`\n]+)`/g)];
    return [...blocks, ...inline.map(([, code = '']) => code)]
      .flatMap((line) => line.replace(/\s#.*$/, '').split(/&&|;/))
      .map((line) => ({ where: path, text: line.trim() }))
      .filter((line) => line.text !== '');
  });
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '' && word !== '…');
}

/** The npm script that the line runs, if it runs one. */
function scriptOf(text: string): string | undefined {
  const found = /\bnpm (?:run (?:-s )?([\w:-]+)|(test|start)\b)/.exec(text);
  return found?.[1] ?? found?.[2];
}

/** The arguments that the line gives to the command `tallystick`; undefined when it does not run it. */
function argumentsOf(text: string): readonly string[] | undefined {
  const direct = /^tallystick (.*)$/.exec(text)?.[1];
  if (direct !== undefined) return wordsOf(direct);
  const first = COMMAND_SCRIPTS[scriptOf(text) ?? ''];
  return first === undefined ? undefined : [...first, ...wordsOf(/ -- (.*)$/.exec(text)?.[1] ?? '')];
}

/** The command that the words lead to, and the words that are left: its arguments and flags. */
function resolved(words: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  let command = createProgram();
  for (const [at, word] of words.entries()) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) return { command, rest: words.slice(at) };
    command = next;
  }
  return { command, rest: [] };
}

function problemsOf({ where, text }: Line): readonly string[] {
  const script = scriptOf(text);
  if (script !== undefined && scripts[script] === undefined)
    return [`${where}: there is no script ${script}`];
  const words = argumentsOf(text);
  if (words === undefined) return [];
  const { command, rest } = resolved(words);
  const isVerb = rest[0]?.startsWith('-') === false && command.registeredArguments.length === 0;
  if (isVerb) return [`${where}: ${command.name()} has no command ${rest[0]}`];
  const flags = new Set(command.options.map(({ long }) => long));
  return rest
    .filter((word) => word.startsWith('--') && !flags.has(word))
    .map((flag) => `${where}: ${command.name()} has no ${flag}`);
}

describe('the commands on the pages', () => {
  it('name scripts, commands and flags that there are', () => {
    const lines = commandLines();
    expect(lines.filter(({ text }) => argumentsOf(text) !== undefined).length).toBeGreaterThan(10);
    expect(lines.flatMap(problemsOf)).toEqual([]);
  });

  it('are found out when they are wrong', () => {
    const wrong = [
      'npm run sandbx',
      'npm run sandbox -- --prot 1',
      'npm run sandbox -- revok --tpp x',
      'tallystick certificate verfy a.pem',
      'tallystick serve --confg x',
      'tallystick server',
    ];
    for (const text of wrong) {
      const problems = problemsOf({ where: 'a page', text });
      expect({ text, problems: problems.length }).toEqual({ text, problems: 1 });
    }
  });
});

import { Argument, Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** `tallystick completion`: a script by which a shell completes commands and flags. `program` is asked when it is run. */
export function completionCommand(program: () => Command): Command {
  return new Command('completion')
    .description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .action((shell: Shell) => {
      const words = wordsOf(program());
      process.stdout.write(shell === 'fish' ? fishScript(words) : bashScript(words, shell));
    });
}

/** The words that may follow each command: `keys` to `list rotate`. The program itself is the empty name. */
type Words = ReadonlyMap<string, readonly string[]>;

function wordsOf(command: Command, name = ''): Words {
  const inner = command.commands.map((one): [Command, string] => [one, `${name} ${one.name()}`.trim()]);
  const flags = command.options.flatMap(({ long, hidden }) => (hidden || !long ? [] : [long]));
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const own = [...inner.map(([one]) => one.name()), ...choices, ...flags, '--help'];
  return new Map([[name, own], ...inner.flatMap(([one, path]) => [...wordsOf(one, path)])]);
}

/** zsh runs the script of bash by its own compatibility. After a flag that takes a value, file names are completed. */
function bashScript(words: Words, shell: 'bash' | 'zsh'): string {
  const cases = [...words].map(([name, all]) => `    "${name}") words="${all.join(' ')}" ;;`);
  return `${shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_tallystick() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" candidate at
  for ((at = 1; at < COMP_CWORD; at++)); do
    candidate="$path\${path:+ }\${COMP_WORDS[at]}"
    case "|${[...words.keys()].filter(Boolean).join('|')}|" in *"|$candidate|"*) path="$candidate" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -o bashdefault -F _tallystick tallystick
`;
}

function fishScript(words: Words): string {
  const lines = [...words].map(([name, all]) => {
    const condition = name === '' ? '__fish_use_subcommand' : `__tallystick_at ${name}`;
    return `complete -c tallystick -n '${condition}' -a '${all.join(' ')}'`;
  });
  return `function __tallystick_at
  set -l words (commandline -opc | string match -v -- '-*')
  test "$words[2..]" = "$argv"
end
${lines.join('\n')}
`;
}

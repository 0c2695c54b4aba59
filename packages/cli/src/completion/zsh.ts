import type { Completion } from '../commands/rows.ts';
import {
  CONTAINER_NAMES,
  type CompletedCommand,
  type CompletionInput,
  commandsOf,
  type Flag,
  firstWords,
  fixedWords,
  NETWORK_NAMES,
  parseFlag,
} from './model.ts';

/** A function file for zsh's fpath, or to be sourced. */
export function zshCompletion({ commands, groups, globals, catalogue }: CompletionInput): string {
  const globalSpecs = globals.map((row) => optionSpec(parseFlag(row), catalogue));
  const described = (rows: readonly { name: string; summary: string }[]) =>
    rows.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(' ');
  const single = commands.filter(({ name }) => !name.includes(' '));
  const cases = single.map((row) => commandCase(row.name, row, globalSpecs, catalogue));
  const groupCases = groups.map((group) => {
    const own = commandsOf(group, { commands });
    const inner = own.map(({ word, row }) => commandCase(word, row, globalSpecs, catalogue));
    return `    ${group.name})
      commands=(${described(own.map(({ word, row }) => ({ name: word, summary: row.summary })))})
      state=''
      _arguments -C ${globalSpecs.join(' ')} '--help[show help]' '1:command:->command' '*::argument:->argument'
      case $state in
        command) _describe command commands ;;
        argument)
          case $line[1] in
${inner.join('\n')}
          esac ;;
      esac ;;`;
  });
  return `#compdef virtainers
${namesFunction('containers', CONTAINER_NAMES)}
${namesFunction('networks', NETWORK_NAMES)}
_virtainers() {
  local -a commands
  commands=(${described(firstWords({ commands, groups }))})
  local context state line
  _arguments -C ${globalSpecs.join(' ')} '--help[show help]' '--version[show the version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${[...cases, ...groupCases].join('\n')}
      esac ;;
  esac
}

if [[ $funcstack[1] == _virtainers ]]; then
  _virtainers "$@"
else
  compdef _virtainers virtainers
fi
`;
}

/** `script` prints names, one a line. */
function namesFunction(what: string, script: string): string {
  return `_virtainers_${what}() {
  local -a names
  names=(\${(f)"$(${script.replace('$engine', '"$engine"')})"})
  compadd -a names
}
`;
}

function commandCase(
  word: string,
  row: CompletedCommand,
  globalSpecs: readonly string[],
  catalogue: readonly string[],
): string {
  const options = row.options.map((option) => optionSpec(parseFlag(option), catalogue));
  const words = row.arguments.map(({ name, complete }, index) => {
    const label = name.replace(/[^\w-]/g, '');
    return quoted(`${name.includes('...') ? '*' : index + 1}:${label}:${completer(complete, catalogue)}`);
  });
  return `    ${word}) _arguments ${[...options, ...globalSpecs, ...words].join(' ')} ;;`;
}

function optionSpec(flag: Flag, catalogue: readonly string[]): string {
  const text = `[${flag.description.replace(/[[\]\\:]/g, '\\$&')}]`;
  const value = flag.takesValue ? `:value:${completer(flag.complete, catalogue)}` : '';
  const names = [flag.short, flag.long].filter((name): name is string => Boolean(name));
  return names.map((name) => quoted(`*${name}${text}${value}`)).join(' ');
}

function completer(complete: Completion | undefined, catalogue: readonly string[]): string {
  const words = fixedWords(complete, catalogue);
  if (words) return `(${words.map((word) => word.replace(/[\s():\\]/g, '\\$&')).join(' ')})`;
  if (complete === 'container') return '_virtainers_containers';
  if (complete === 'network') return '_virtainers_networks';
  if (complete === 'folder') return '_files -/';
  return complete === 'file' ? '_files' : ' ';
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

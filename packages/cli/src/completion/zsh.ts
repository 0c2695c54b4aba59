import type { Completion } from '../commands/table.ts';
import { CONTAINER_NAMES, type CompletionInput, type Flag, fixedWords, parseFlag } from './model.ts';

/** A function file for zsh's fpath, or to be sourced. */
export function zshCompletion({ commands, globals, catalogue }: CompletionInput): string {
  const globalSpecs = globals.map((row) => optionSpec(parseFlag(row), catalogue));
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  const cases = commands.map((row) => {
    const options = row.options.map((option) => optionSpec(parseFlag(option), catalogue));
    const words = row.arguments.map(({ name, complete }, index) => {
      const label = name.replace(/[^\w-]/g, '');
      return quoted(`${name.includes('...') ? '*' : index + 1}:${label}:${completer(complete, catalogue)}`);
    });
    return `    ${row.name}) _arguments ${[...options, ...globalSpecs, ...words].join(' ')} ;;`;
  });
  return `#compdef virtainers
_virtainers_containers() {
  local -a names
  names=(\${(f)"$(${CONTAINER_NAMES.replace('$engine', '"$engine"')})"})
  compadd -a names
}

_virtainers() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  local context state line
  _arguments -C ${globalSpecs.join(' ')} '--help[show help]' '--version[show the version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${cases.map((text) => `    ${text}`).join('\n')}
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
  if (complete === 'folder') return '_files -/';
  return complete === 'file' ? '_files' : ' ';
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

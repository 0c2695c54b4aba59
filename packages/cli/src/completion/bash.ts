import type { Completion } from '../commands/rows.ts';
import {
  CONTAINER_NAMES,
  type CompletionInput,
  commandsOf,
  firstArgument,
  firstWords,
  fixedWords,
  NETWORK_NAMES,
  parseFlag,
} from './model.ts';

/** A script for bash 4 and later; needs no bash-completion package. */
export function bashCompletion({ commands, groups, globals, catalogue }: CompletionInput): string {
  const names = firstWords({ commands, groups }).map(({ name }) => name);
  const globalFlags = globals.map((row) => parseFlag(row).long);
  const groupCases = groups.map((group) => {
    const words = commandsOf(group, { commands }).map(({ word }) => word);
    return `    ${group.name}) _virtainers_words "$current" ${[...words, ...globalFlags, '--help'].join(' ')}; return ;;`;
  });
  const flagCases = commands.map((row) => {
    const flags = [...row.options.map((option) => parseFlag(option).long), ...globalFlags, '--help'];
    return `    ${pattern(row.name)}) words=${singleQuoted(flags)} ;;`;
  });
  const argumentCases = commands.flatMap((row) => {
    const complete = firstArgument(row)?.complete;
    return complete ? [`    ${pattern(row.name)}) ${reply(complete, catalogue)} ;;`] : [];
  });
  const valueCases = commands.flatMap((row) =>
    row.options.map(parseFlag).flatMap((flag) => {
      if (!flag.takesValue) return [];
      const patterns = [flag.long, flag.short].flatMap((word) => (word ? [`${pattern(row.name)}:${word}`] : []));
      return [`    ${patterns.join('|')}) ${flag.complete ? `${reply(flag.complete, catalogue)}; ` : ''}return ;;`];
    }),
  );
  return `# bash completion for virtainers
_virtainers_words() {
  # A colon ends a word for readline; what stands before it must not be repeated.
  local full=$1 word; shift
  local skip=''
  [[ $full == *:* && $COMP_WORDBREAKS == *:* ]] && skip=\${full%"\${full##*:}"}
  for word in "$@"; do
    [[ $word == "$full"* ]] && COMPREPLY+=("\${word#"$skip"}")
  done
}

_virtainers() {
  local line=\${COMP_LINE:0:COMP_POINT} words command='' previous='' current word index
  COMPREPLY=()
  local -a typed
  read -r -a typed <<<"$line"
  current=''
  if [[ $line != *[[:space:]] ]]; then
    current=\${typed[\${#typed[@]}-1]}
    unset "typed[\${#typed[@]}-1]"
  fi
  for ((index = 1; index < \${#typed[@]}; index++)); do
    word=\${typed[index]}
    if [[ $word != -* ]]; then
      case $command in
        '') command=$word ;;
        ${groups.map(({ name }) => name).join('|')}) command+=" $word" ;;
      esac
    fi
    previous=$word
  done
  if [[ -z $command ]]; then
    _virtainers_words "$current" ${names.join(' ')} ${globalFlags.join(' ')} --help --version
    return
  fi
  case $command in
${groupCases.join('\n')}
  esac
  case "$command:$previous" in
${valueCases.join('\n')}
  esac
  if [[ $current == -* ]]; then
    case "$command" in
${flagCases.map((line) => `  ${line}`).join('\n')}
    esac
    _virtainers_words "$current" $words
    return
  fi
  case "$command" in
${argumentCases.join('\n')}
  esac
}
complete -o default -F _virtainers virtainers
`;
}

function reply(complete: Completion, catalogue: readonly string[]): string {
  const words = fixedWords(complete, catalogue);
  const files = 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current")';
  if (words) {
    const own = `_virtainers_words "$current" ${words.map(shellWord).join(' ')}`;
    return complete === 'catalogue' ? `${own}; [[ $current == */* || $current == .* ]] && { ${files}; }` : own;
  }
  if (complete === 'container') return `_virtainers_words "$current" $(${CONTAINER_NAMES})`;
  if (complete === 'network') return `_virtainers_words "$current" $(${NETWORK_NAMES})`;
  return complete === 'folder' ? files.replace('compgen -f', 'compgen -d') : files;
}

/** A command's name as bash's `case` reads it. */
function pattern(name: string): string {
  return name.replaceAll(' ', '\\ ');
}

function singleQuoted(words: readonly string[]): string {
  return `'${words.join(' ')}'`;
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

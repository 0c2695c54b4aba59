import type { Completion } from '../commands/rows.ts';
import {
  type CompletionInput,
  commandsOf,
  type Flag,
  firstArgument,
  firstWords,
  fixedWords,
  parseFlag,
} from './model.ts';

/** Lines for fish's completions folder. */
export function fishCompletion({ commands, groups, globals, catalogue }: CompletionInput): string {
  const first = firstWords({ commands, groups });
  const none = `not ${seen(first.map(({ name }) => name))}`;
  const lines = [
    '# fish completion for virtainers',
    'complete -c virtainers -f',
    ...globals.map((row) => option('', parseFlag(row), catalogue)),
    ...first.map(({ name, summary }) => word(none, name, summary)),
    ...groups.flatMap((group) => {
      const own = commandsOf(group, { commands });
      const when = `${seen([group.name])}; and not ${seen(own.map((each) => each.word))}`;
      return own.map((each) => word(when, each.word, each.row.summary));
    }),
  ];
  for (const row of commands) {
    const words = row.name.split(' ').map((each) => seen([each]));
    const when = `-n ${quoted(words.join('; and '))} `;
    const argument = firstArgument(row)?.complete;
    if (argument) lines.push(`complete -c virtainers ${when}${values(argument, catalogue)}`);
    for (const optionRow of row.options) lines.push(option(when, parseFlag(optionRow), catalogue));
  }
  return `${lines.join('\n')}\n`;
}

function word(when: string, name: string, summary: string): string {
  return `complete -c virtainers -n ${quoted(when)} -a ${name} -d ${quoted(summary)}`;
}

function seen(words: readonly string[]): string {
  return `__fish_seen_subcommand_from ${words.join(' ')}`;
}

function option(when: string, flag: Flag, catalogue: readonly string[]): string {
  const short = flag.short ? ` -s ${flag.short.slice(1)}` : '';
  // -r takes a value, -x one that is no file.
  const needs = flag.complete === 'file' ? '-r' : '-x';
  const value = flag.takesValue ? ` ${needs} ${values(flag.complete, catalogue)}`.trimEnd() : '';
  return `complete -c virtainers ${when}-l ${flag.long.slice(2)}${short}${value} -d ${quoted(flag.description)}`;
}

function values(complete: Completion | undefined, catalogue: readonly string[]): string {
  const words = fixedWords(complete, catalogue);
  if (complete === 'catalogue') return `-F -a ${quoted(catalogue.join(' '))}`;
  if (words) return `-a ${quoted(words.join(' '))}`;
  if (complete === 'container') return `-a ${quoted(CONTAINERS)}`;
  if (complete === 'network') return `-a ${quoted(NETWORKS)}`;
  if (complete === 'folder') return "-a '(__fish_complete_directories)'";
  return complete === 'file' ? '-F' : '';
}

const CONTAINERS =
  '(for engine in docker podman; $engine ps --all --filter label=io.virtainers.name --format "{{.Names}}" 2>/dev/null; end)';

const NETWORKS = '(for engine in docker podman; $engine network ls --format "{{.Name}}" 2>/dev/null; end)';

/** Inside fish's single quotes only `\\` and `'` are special. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

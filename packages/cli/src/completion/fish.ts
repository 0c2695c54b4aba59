import type { Completion } from '../commands/table.ts';
import { type CompletionInput, type Flag, firstArgument, fixedWords, parseFlag } from './model.ts';

/** Lines for fish's completions folder. */
export function fishCompletion({ commands, globals, catalogue }: CompletionInput): string {
  const names = commands.map(({ name }) => name).join(' ');
  const none = `not __fish_seen_subcommand_from ${names}`;
  const lines = [
    '# fish completion for virtainers',
    'complete -c virtainers -f',
    ...globals.map((row) => option('', parseFlag(row), catalogue)),
    ...commands.map(
      ({ name, summary }) => `complete -c virtainers -n ${quoted(none)} -a ${name} -d ${quoted(summary)}`,
    ),
  ];
  for (const row of commands) {
    const when = `-n ${quoted(`__fish_seen_subcommand_from ${row.name}`)} `;
    const first = firstArgument(row)?.complete;
    if (first) lines.push(`complete -c virtainers ${when}${values(first, catalogue)}`);
    for (const optionRow of row.options) lines.push(option(when, parseFlag(optionRow), catalogue));
  }
  return `${lines.join('\n')}\n`;
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
  if (complete === 'folder') return "-a '(__fish_complete_directories)'";
  return complete === 'file' ? '-F' : '';
}

const CONTAINERS =
  '(for engine in docker podman; $engine ps --all --filter label=io.virtainers.name --format "{{.Names}}" 2>/dev/null; end)';

/** Inside fish's single quotes only `\\` and `'` are special. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

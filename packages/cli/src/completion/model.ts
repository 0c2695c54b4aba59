import type { ArgumentRow, CommandRow, Completion, GroupRow, OptionRow } from '../commands/rows.ts';

export type CompletedCommand = Pick<CommandRow, 'name' | 'summary' | 'arguments' | 'options'>;

/** What every shell's script is made from. */
export interface CompletionInput {
  readonly commands: readonly CompletedCommand[];
  readonly groups: readonly GroupRow[];
  readonly globals: readonly OptionRow[];
  /** Names that can be baked. */
  readonly catalogue: readonly string[];
}

export interface Flag {
  /** `--output`. */
  readonly long: string;
  /** `-o`. */
  readonly short: string | undefined;
  readonly takesValue: boolean;
  readonly description: string;
  readonly complete: Completion | undefined;
}

/** `-o, --output <file>` in its parts. */
export function parseFlag({ flags, description, complete }: OptionRow): Flag {
  const words = flags.split(/[ ,]+/);
  return {
    long: words.find((word) => word.startsWith('--')) ?? '',
    short: words.find((word) => /^-\w$/.test(word)),
    takesValue: words.some((word) => /^[<[]/.test(word)),
    description,
    complete,
  };
}

/** The fixed words of a completion, or undefined where the shell has to look for itself. */
export function fixedWords(
  complete: Completion | undefined,
  catalogue: readonly string[],
): readonly string[] | undefined {
  if (complete === 'catalogue') return catalogue;
  return typeof complete === 'object' ? complete : undefined;
}

/** Names of virtainers in whichever engines answer, one a line, for `$(…)`. */
export const CONTAINER_NAMES =
  "for engine in docker podman; do $engine ps --all --filter label=io.virtainers.name --format '{{.Names}}' 2>/dev/null; done";

/** Networks of whichever engines answer, likewise. */
export const NETWORK_NAMES =
  "for engine in docker podman; do $engine network ls --format '{{.Name}}' 2>/dev/null; done";

/** What may stand first: commands of one word, and groups. */
export function firstWords({ commands, groups }: Pick<CompletionInput, 'commands' | 'groups'>): GroupRow[] {
  return [...commands.filter(({ name }) => !name.includes(' ')), ...groups];
}

/** A group's commands, and the second word of each. */
export function commandsOf(group: GroupRow, { commands }: Pick<CompletionInput, 'commands'>) {
  const own = commands.filter(({ name }) => name.startsWith(`${group.name} `));
  return own.map((row) => ({ row, word: row.name.slice(group.name.length + 1) }));
}

export function firstArgument({ arguments: rows }: { arguments: readonly ArgumentRow[] }): ArgumentRow | undefined {
  return rows[0];
}

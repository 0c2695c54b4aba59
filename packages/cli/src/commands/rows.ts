import type { CommandModule } from '../context.ts';

/** What completes a word: names known when the script is made, names asked for at the time, or paths. */
export type Completion = 'catalogue' | 'container' | 'network' | 'file' | 'folder' | readonly string[];

export interface ArgumentRow {
  /** As commander reads it: `<image>`, `[command...]`. */
  readonly name: string;
  readonly description: string;
  readonly complete?: Completion;
}

export interface OptionRow {
  /** As commander reads them: `-o, --output <file>`. */
  readonly flags: string;
  readonly description: string;
  readonly complete?: Completion;
  /** May be given more than once; the values come as an array. */
  readonly repeated?: true;
}

export interface ExampleRow {
  readonly command: string;
  readonly meaning: string;
}

export interface CommandRow {
  /** `run`, or two words, the first of which is a group's: `network create`. */
  readonly name: string;
  readonly summary: string;
  readonly arguments: readonly ArgumentRow[];
  readonly options: readonly OptionRow[];
  readonly examples: readonly ExampleRow[];
  /** Words behind the arguments are not ours, even where they begin with `-`. */
  readonly passThrough?: true;
  readonly load: () => Promise<CommandModule>;
}

/** A word that commands have in common. */
export interface GroupRow {
  readonly name: string;
  readonly summary: string;
}

/** The table as values that can be handed on. */
export interface CommandTable {
  readonly commands: readonly CommandRow[];
  readonly groups: readonly GroupRow[];
  readonly globals: readonly OptionRow[];
}

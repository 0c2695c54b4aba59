import type { Exec, Log, Spawn } from '@virtainers/core';
import type { z } from 'zod';
import type { CommandTable } from './commands/rows.ts';
import type { Display } from './progress/display.ts';

/** What a command is handed: the doors to the outside. main.ts makes the real one. */
export interface CliContext {
  readonly exec: Exec;
  readonly spawn: Spawn;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The running kernel's release. */
  readonly kernel: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Where runtime.mjs, templates/ and images/ lie. */
  readonly assetsDir: string;
  /** What there is to be asked for. */
  readonly table: CommandTable;
  /** A line on stdout: results, and nothing else. */
  readonly print: (line: string) => void;
  /** Lines on stderr, for people. */
  readonly log: Log;
  /** Progress on stderr: bars, plain lines or nothing. */
  readonly display: Display;
}

/** What a command does with its words and options (as commander hands them over). Gives back the exit code. */
export type Action = (cli: CliContext, args: readonly string[], options: unknown) => Promise<number>;

/** What commands/*.ts export. */
export interface CommandModule {
  readonly action: Action;
  /** What it reads of its options; without it, none. */
  readonly schema?: z.ZodObject;
}

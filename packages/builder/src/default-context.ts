import { homedir } from 'node:os';
import { makeExec, makeLog, makeSpawn, VirtainersError } from '@virtainers/core';
import { cacheFolder } from './cache-folder.ts';
import type { BuildContext } from './context.ts';

/** What only the caller knows; all else of a context may be given too. */
export interface ContextWishes extends Partial<BuildContext> {
  /** Programs that are called see it, and XDG_CACHE_HOME and SOURCE_DATE_EPOCH are read from it: `process.env`. */
  readonly env: BuildContext['env'];
  /** Where the built command lies: `packages/cli/dist`. */
  readonly assetsDir: string;
}

/**
 * The time of every file in an image when SOURCE_DATE_EPOCH is not set: 2025-08-09, when Debian 13 came out, which every
 * image's runtime root is made of. A constant, so that the same inputs make the same bytes on any day.
 */
export const DEFAULT_EPOCH = Date.UTC(2025, 7, 9) / 1000;

/** A context as the `virtainers` command has it, but silent. Throws CONFIG_INVALID for a SOURCE_DATE_EPOCH that is none. */
export function makeBuildContext(wishes: ContextWishes): BuildContext {
  const { SOURCE_DATE_EPOCH } = wishes.env;
  return {
    exec: makeExec(),
    spawn: makeSpawn(),
    log: makeLog(() => undefined),
    cacheDir: cacheFolder(wishes.env, homedir()),
    sourceDateEpoch: parseEpoch(SOURCE_DATE_EPOCH),
    onEvent: () => undefined,
    ...wishes,
  };
}

/** Whole seconds since 1970 (reproducible-builds.org/specs/source-date-epoch). */
export function parseEpoch(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_EPOCH;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new VirtainersError('CONFIG_INVALID', `SOURCE_DATE_EPOCH=${text} is not a number of seconds`);
}

import type { BuildContext, BuildEvent } from '@virtainers/builder';
import { VirtainersError } from '@virtainers/core';
import type { CliContext } from './context.ts';
import { cacheFolder } from './folders.ts';
import type { Display } from './progress/display.ts';

/**
 * The time of every file in an image when SOURCE_DATE_EPOCH is not set: 2025-08-09, when Debian 13 came out, which every
 * image's runtime root is made of. A constant, so that the same inputs make the same bytes on any day.
 */
export const DEFAULT_EPOCH = Date.UTC(2025, 7, 9) / 1000;

/** What the builder is handed. Throws CONFIG_INVALID for a SOURCE_DATE_EPOCH that is none. */
export function makeBuildContext(cli: CliContext, cacheDir: string | undefined): BuildContext {
  const { SOURCE_DATE_EPOCH } = cli.env;
  return {
    exec: cli.exec,
    spawn: cli.spawn,
    log: cli.log,
    cacheDir: cacheFolder(cli.env, cli.home, cacheDir),
    assetsDir: cli.assetsDir,
    sourceDateEpoch: parseEpoch(SOURCE_DATE_EPOCH),
    onEvent: (event) => show(cli.display, event),
    signal: cli.signal,
    env: cli.env,
  };
}

/** Whole seconds since 1970 (reproducible-builds.org/specs/source-date-epoch). */
export function parseEpoch(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_EPOCH;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new VirtainersError('CONFIG_INVALID', `SOURCE_DATE_EPOCH=${text} is not a number of seconds`);
}

function show(display: Display, event: BuildEvent): void {
  const { image } = event;
  const step = image === undefined ? event.step : `${image} ${event.step}`;
  if (event.type === 'start') display.start(step, image === undefined ? event.title : `${image}: ${event.title}`);
  else if (event.type === 'progress') display.progress(step, event.done, event.total);
  else display.end(step, event.cached ? `${event.note} (cached)` : event.note);
}

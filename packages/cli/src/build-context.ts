import { type BuildContext, type BuildEvent, cacheFolder, makeBuildContext as makeContext } from '@virtainers/builder';
import type { CliContext } from './context.ts';
import type { Display } from './progress/display.ts';

/** What the builder is handed. Throws CONFIG_INVALID for a SOURCE_DATE_EPOCH that is none. */
export function makeBuildContext(cli: CliContext, wantedCache: string | undefined): BuildContext {
  const { exec, spawn, log, env, home, assetsDir, signal, display } = cli;
  const cacheDir = cacheFolder(env, home, wantedCache);
  return makeContext({ exec, spawn, log, env, assetsDir, signal, cacheDir, onEvent: (event) => show(display, event) });
}

function show(display: Display, event: BuildEvent): void {
  const { image } = event;
  const step = image === undefined ? event.step : `${image} ${event.step}`;
  if (event.type === 'start') display.start(step, image === undefined ? event.title : `${image}: ${event.title}`);
  else if (event.type === 'progress') display.progress(step, event.done, event.total);
  else if (event.type === 'note') display.note(step, event.text);
  else display.end(step, event.cached ? `${event.note} (cached)` : event.note);
}

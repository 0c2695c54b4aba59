import { homedir, release } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommanderError } from '@commander-js/extra-typings';
import { describeError, ERRORS, makeExec, makeLog, makeSpawn, quote } from '@virtainers/core';
import packageJson from '../package.json' with { type: 'json' };
import { COMMANDS, GLOBAL_OPTIONS, GROUPS } from './commands/table.ts';
import type { CliContext } from './context.ts';
import { type Invocation, parseCommandLine } from './program.ts';
import { makeBars } from './progress/bars.ts';
import { type Display, makeLines, makeSilence } from './progress/display.ts';

/** As a shell has it: 128 and the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const writeOut = (text: string) => void process.stdout.write(text);
const writeError = (text: string) => void process.stderr.write(text);

process.exit(await main(process.argv.slice(2)));

/** One command, from its words to its exit code. */
async function main(argv: readonly string[]): Promise<number> {
  // A reader that has seen enough (`| head`) is no failure of ours.
  process.stdout.on('error', () => process.exit(0));
  // A terminal that is gone takes no lines, and what is under way must still come to its orderly end.
  process.stderr.on('error', () => undefined);
  let invocation: Invocation | undefined;
  try {
    invocation = parseCommandLine(argv, packageJson.version, { out: writeOut, err: writeError });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERRORS.ARGUMENTS_BAD.exit;
    throw error;
  }
  return invocation ? carryOut(invocation) : 0;
}

async function carryOut({ row, args, options }: Invocation): Promise<number> {
  const display = chooseDisplay(options);
  const interruption = watchSignals();
  const cli = makeContext(options, display, interruption.signal);
  try {
    const { action } = await row.load();
    const code = await action(cli, args, options);
    return interruption.exitCode() ?? code;
  } catch (error) {
    const interrupted = interruption.exitCode();
    const { lines, exitCode } = interrupted ? { lines: ['interrupted'], exitCode: interrupted } : describeError(error);
    display.close();
    for (const line of lines) writeError(`${line}\n`);
    return exitCode;
  } finally {
    display.close();
  }
}

function makeContext(options: Invocation['options'], display: Display, signal: AbortSignal): CliContext {
  const { debug, quiet } = options;
  const log = makeLog((line) => display.line(line), { debug: debug === true });
  const onRun = (argv: readonly string[]) => log.debug(argv.map(quote).join(' '));
  return {
    exec: makeExec(onRun),
    spawn: makeSpawn(onRun),
    env: process.env,
    home: homedir(),
    kernel: release(),
    signal,
    assetsDir: dirname(fileURLToPath(import.meta.url)),
    table: { commands: COMMANDS, groups: GROUPS, globals: GLOBAL_OPTIONS },
    print: (line) => writeOut(`${line}\n`),
    log: quiet === true ? { ...log, info: () => undefined } : log,
    display,
  };
}

function chooseDisplay({ quiet, json }: Invocation['options']): Display {
  if (quiet === true || json === true) return makeSilence(writeError);
  const { stderr, env } = process;
  const { TERM } = env;
  if (!stderr.isTTY || TERM === 'dumb') return makeLines(writeError);
  return makeBars(writeError, () => stderr.columns || 80, performance.now.bind(performance));
}

/** The first signal asks for an orderly end, a second one does not wait for it. */
function watchSignals(): { signal: AbortSignal; exitCode(): number | undefined } {
  const controller = new AbortController();
  let exitCode: number | undefined;
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      controller.abort();
    });
  }
  return { signal: controller.signal, exitCode: () => exitCode };
}

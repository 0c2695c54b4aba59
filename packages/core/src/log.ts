import type { Child } from './exec.ts';

/** Where lines for people go. The runtime writes them to stderr, the command beside its progress. */
export interface Log {
  info(line: string): void;
  warn(line: string): void;
  debug(line: string): void;
}

/** A Log that writes `prefix + line` through `write`, one call a line; debug only when asked for. */
export function makeLog(write: (line: string) => void, options: { prefix?: string; debug?: boolean } = {}): Log {
  const prefix = options.prefix ?? '';
  return {
    info: (line) => write(`${prefix}${line}`),
    warn: (line) => write(`${prefix}warning: ${line}`),
    debug: (line) => {
      if (options.debug) write(`${prefix}debug: ${line}`);
    },
  };
}

/** What a program that runs beside us says, as debug lines under its name; the function gives the end of it, for an error. */
export function logOutput({ stdout, stderr }: Pick<Child, 'stdout' | 'stderr'>, name: string, log: Log): () => string {
  let tail = '';
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-2000);
      for (const line of text.split('\n')) if (line) log.debug(`${name}: ${line}`);
    });
  }
  return () => (tail ? `\n${tail.trimEnd().replace(/^/gm, '  ')}` : '');
}

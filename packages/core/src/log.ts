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

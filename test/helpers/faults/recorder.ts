import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Engine } from '../engines.ts';

/** One run of a container whose guest writes records (test/fixtures/records). */
export interface Life {
  /** The number of the last record that the guest has told to be fsynced; 0: none yet. */
  readonly acknowledged: number;
  /** How many records the guest found on its disk when it booted; undefined until it has. */
  readonly found: number | undefined;
  /** Until so many more are acknowledged than are now. Throws when the container ends first. */
  more(count: number): Promise<void>;
  /** Until the output has it, from now on. */
  said(what: string | RegExp): Promise<void>;
  /** The container's exit code. */
  readonly ended: Promise<number | null>;
  readonly output: string;
}

/** Starts a container that exists and listens to it. */
export function startLife(docker: Engine, name: string): Life {
  const child = docker.spawn('docker', ['start', '--attach', name]);
  const lines: string[] = [];
  const heard = new EventEmitter().setMaxListeners(0);
  let [acknowledged, found]: [number, number | undefined] = [0, undefined];
  const hear = (line: string) => {
    lines.push(line);
    const [, number] = /record: (\d+)\r?$/.exec(line) ?? [];
    if (number) acknowledged = Math.max(acknowledged, Number(number));
    const [, count] = /records: (\d+) found/.exec(line) ?? [];
    if (count) found = Number(count);
    heard.emit('line');
  };
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on('line', hear);
  const ended = child.exited.then(({ exitCode }) => exitCode);
  const until = async (what: string, reached: () => boolean) => {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(new Error('not within five minutes')), 300_000);
    void ended.then((code) => end.abort(new Error(`it ended with ${code}`)));
    try {
      while (!reached()) await once(heard, 'line', { signal: end.signal });
    } catch {
      throw new Error(`waiting for ${what}: ${end.signal.reason}`);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    get acknowledged() {
      return acknowledged;
    },
    get found() {
      return found;
    },
    more: async (count) => {
      const wanted = acknowledged + count;
      // A guest that is resumed finds nothing: it goes on.
      await until(`${count} records`, () => acknowledged >= Math.max(wanted, (found ?? 0) + count));
    },
    said: async (what) => {
      const from = lines.length;
      await until(String(what), () => lines.slice(from).some((line) => line.search(what) >= 0));
    },
    ended,
    get output() {
      return tail(lines);
    },
  };
}

/** What helps to understand a failure; of the records only the last. */
function tail(lines: readonly string[]): string {
  return lines
    .filter((line, index) => !/record: \d/.test(line) || index > lines.length - 5)
    .slice(-60)
    .join('\n');
}

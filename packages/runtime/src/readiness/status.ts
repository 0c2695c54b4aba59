import { constants } from 'node:fs';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { State, Status } from '@virtainers/core';

export interface StatusFile {
  /** What the guest has reached, whatever is wrong with it. */
  readonly reached: State;
  /**
   * Merges and writes; a new state gets its time. Writes follow one another, so that the last call wins. One that fails, for want of
   * room, is no reason to end a guest: it is told in the log, and the next one tells it all again. What a guest that is being
   * stopped reaches is no state any more.
   */
  update(change: Partial<Omit<Status, 'formatVersion' | 'life' | 'since' | 'timings'>>): Promise<void>;
  /** Something is wrong with the guest, in one sentence; undefined: no longer. While anything is, a guest that runs is degraded. */
  trouble(name: string, message: string | undefined): Promise<void>;
  /** Notes a moment that is no state: `running`. */
  mark(name: string): void;
}

const RUNS: ReadonlySet<State> = new Set(['starting', 'booting', 'network', 'cloud-init', 'ready']);

/** The status file at `path`, written whole by rename; `now` and `clock` (ms since the start) are handed in, and where a failure is told. */
export function makeStatusFile(
  path: string,
  first: Pick<Status, 'life' | 'vmName' | 'driver' | 'user'>,
  now: () => Date,
  clock: () => number,
  warn: (line: string) => void,
): StatusFile {
  let told: Status = {
    formatVersion: 1,
    state: 'preparing',
    since: now().toISOString(),
    ...first,
    timings: { preparing: 0 },
  };
  let shown = told;
  const troubles = new Map<string, string>();
  let last = Promise.resolve();
  let failing = false;
  const write = async (status: Status) => {
    const [next, text] = [`${path}.tmp`, `${JSON.stringify(status)}\n`];
    try {
      await mkdir(dirname(path), { recursive: true });
      await overwrite(next, text);
      // No fsync: it lives in /run and tells of this life of the container only.
      await rename(next, path);
      // Often on the disk under the guest's: that this one is full must be told on it, so the next one has its room now.
      await writeFile(next, text).catch(() => undefined);
      failing = false;
    } catch (error) {
      if (!failing) warn(`${path} cannot be written: ${String(error)}; it is out of date until it can`);
      failing = true;
    }
  };
  const stamp = (name: string) => {
    if (!(name in told.timings)) told = { ...told, timings: { ...told.timings, [name]: Math.round(clock()) } };
  };
  const show = () => {
    const { state, message } = withTroubles(told, troubles);
    stamp(state);
    shown = { ...told, state, message, since: state === shown.state ? shown.since : now().toISOString() };
    const snapshot = shown;
    last = last.then(() => write(snapshot));
    return last;
  };
  return {
    get reached() {
      return told.state;
    },
    update(change) {
      const { state = told.state, ...rest } = change;
      const late = !RUNS.has(told.state) && told.state !== 'preparing' && RUNS.has(state);
      told = { ...told, ...rest, state: late ? told.state : state };
      stamp(told.state);
      return show();
    },
    trouble(name, message) {
      if (message === troubles.get(name)) return last;
      if (message === undefined) troubles.delete(name);
      else troubles.set(name, message);
      return show();
    },
    mark: stamp,
  };
}

function withTroubles(
  { state, message }: Status,
  troubles: ReadonlyMap<string, string>,
): Pick<Status, 'state' | 'message'> {
  const wrong = [...troubles.values()].join('; ');
  if (wrong && RUNS.has(state)) return { state: 'degraded', message: wrong };
  return { state, message: state === 'stopping' && wrong ? wrong : message };
}

/** In the blocks of what is there, as far as they go. */
async function overwrite(path: string, text: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT);
  try {
    await file.writeFile(text);
    await file.truncate(Buffer.byteLength(text));
  } finally {
    await file.close();
  }
}

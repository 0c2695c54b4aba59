import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { State, Status } from '@virtainers/core';

export interface StatusFile {
  /** What the guest has reached, whatever is wrong with it. */
  readonly reached: State;
  /** Merges and writes; a new state gets its time. Writes follow one another, so that the last call wins. */
  update(change: Partial<Omit<Status, 'formatVersion' | 'life' | 'since' | 'timings'>>): Promise<void>;
  /** Something is wrong with the guest, in one sentence; undefined: no longer. While anything is, a guest that runs is degraded. */
  trouble(name: string, message: string | undefined): Promise<void>;
  /** Notes a moment that is no state: `running`. */
  mark(name: string): void;
}

const RUNS: ReadonlySet<State> = new Set(['starting', 'booting', 'network', 'cloud-init', 'ready']);

/** The status file at `path`, written whole by rename; `now` and `clock` (ms since the start) are handed in. */
export function makeStatusFile(
  path: string,
  first: Pick<Status, 'life' | 'vmName' | 'driver' | 'user'>,
  now: () => Date,
  clock: () => number,
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
  const write = async (status: Status) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.tmp`, `${JSON.stringify(status)}\n`);
    // No fsync: it lives in /run and tells of this life of the container only.
    await rename(`${path}.tmp`, path);
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
      told = { ...told, ...change };
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

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { State, Status } from '@virtainers/core';

export interface StatusFile {
  /** The last thing written. */
  readonly current: Status;
  /** Merges and writes; a new state gets its time. Writes follow one another, so that the last call wins. */
  update(change: Partial<Omit<Status, 'formatVersion' | 'life' | 'since' | 'timings'>>): Promise<void>;
  /** Notes a moment that is no state: `running`. */
  mark(name: string): void;
}

/** The status file at `path`, written whole by rename; `now` and `clock` (ms since the start) are handed in. */
export function makeStatusFile(
  path: string,
  first: Pick<Status, 'life' | 'vmName' | 'driver' | 'user'>,
  now: () => Date,
  clock: () => number,
): StatusFile {
  let current: Status = {
    formatVersion: 1,
    state: 'preparing',
    since: now().toISOString(),
    ...first,
    timings: { preparing: 0 },
  };
  let last = Promise.resolve();
  const write = async (status: Status) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.tmp`, `${JSON.stringify(status)}\n`);
    // No fsync: it lives in /run and tells of this life of the container only.
    await rename(`${path}.tmp`, path);
  };
  return {
    get current() {
      return current;
    },
    update(change) {
      const isNew = change.state !== undefined && change.state !== current.state;
      const timings = isNew ? stamped(current.timings, change.state, clock) : current.timings;
      current = { ...current, ...change, timings, since: isNew ? now().toISOString() : current.since };
      const snapshot = current;
      last = last.then(() => write(snapshot));
      return last;
    },
    mark(name) {
      current = { ...current, timings: stamped(current.timings, name, clock) };
    },
  };
}

function stamped(timings: Status['timings'], name: State | string | undefined, clock: () => number): Status['timings'] {
  return name === undefined || name in timings ? timings : { ...timings, [name]: Math.round(clock()) };
}

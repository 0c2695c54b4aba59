import type { FileHandle } from 'node:fs/promises';

/** Those who read a file while it is put together, each at its own pace: from the page cache, so that nothing queues in memory. */
export interface Followers {
  follow(): AsyncIterable<Buffer>;
  /** The prefix has grown. */
  wake(): void;
  /** All is there: whoever has read the prefix is done. */
  end(): void;
  /** What was read so far is of no use: whoever reads rejects with Abandoned. */
  restart(): void;
  /** Likewise for whoever reads now or later. */
  close(): void;
}

/** The file was begun anew, or given up. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

const PIECE = 1 << 20;

/** Followers of the first `prefix()` bytes of the file behind `handle`. */
export function makeFollowers(handle: FileHandle, prefix: () => number): Followers {
  let round = 0;
  let state: 'growing' | 'whole' | 'closed' = 'growing';
  let waiting: (() => void)[] = [];
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const go of woken) go();
  };
  async function* follow(own: number): AsyncGenerator<Buffer> {
    for (let at = 0; ; ) {
      if (own !== round || state === 'closed') throw new Abandoned('a file that was followed is gone');
      const length = Math.min(PIECE, prefix() - at);
      if (length > 0) {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
        at += bytesRead;
        if (own === round) yield buffer.subarray(0, bytesRead);
      } else if (state === 'whole') return;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }
  const enter = (next: typeof state) => {
    state = next;
    wake();
  };
  return {
    follow: () => follow(round),
    wake,
    end: () => enter('whole'),
    restart: () => {
      round += 1;
      enter('growing');
    },
    close: () => enter('closed'),
  };
}

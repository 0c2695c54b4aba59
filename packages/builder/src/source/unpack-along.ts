import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { VirtainersError } from '@virtainers/core';
import type { Assembly } from './assembly.ts';
import { compressionOf, type DecompressOptions, decompressStream, LONGEST_MAGIC } from './compression.ts';
import { Abandoned } from './follow-prefix.ts';

export interface Unpacking {
  /**
   * Once the assembly is finished and found right: true where `to` holds what was in it, on the disk; false where it is not
   * compressed, or could not be unpacked for a reason that is not its own. DISK_REFUSED as `decompressStream` says.
   */
  result(): Promise<boolean>;
  /** Resolves when nothing works on `to` any longer, which is after the assembly is closed at the latest. */
  over(): Promise<void>;
}

/** Unpacks a file that is compressed while it still arrives. Until its sum is checked nobody else may see `to`. */
export function unpackAlong(assembly: Assembly, to: string, options: DecompressOptions): Unpacking {
  let attempt = assembly.attempt;
  let state = start();
  function start(): Promise<boolean | VirtainersError> {
    attempt = assembly.attempt;
    const work = unpackOnce(assembly, to, options).catch(async (error: unknown) => {
      await rm(to, { force: true });
      // Begun anew since: so is this, and by `result` where the assembly was complete already.
      if (error instanceof Abandoned && attempt !== assembly.attempt) return start();
      return error instanceof VirtainersError && error.code === 'DISK_REFUSED' ? error : false;
    });
    return work;
  }
  return {
    result: async () => {
      for (;;) {
        const outcome = await state;
        if (attempt !== assembly.attempt) {
          await rm(to, { force: true });
          state = start();
        } else if (typeof outcome === 'boolean') return outcome;
        else throw outcome;
      }
    },
    over: async () => void (await state),
  };
}

async function unpackOnce(assembly: Assembly, to: string, options: DecompressOptions): Promise<boolean> {
  await rm(to, { force: true });
  const pieces = assembly.follow()[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < LONGEST_MAGIC) {
    const next = await pieces.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const kind = compressionOf(head);
  if (!kind) {
    await pieces.return?.();
    return false;
  }
  await decompressStream(Readable.from(joined(head, pieces)), to, kind, options);
  const handle = await open(to, 'r+');
  await handle.sync().finally(() => handle.close());
  return true;
}

async function* joined(head: Buffer, pieces: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield head;
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
  } finally {
    await pieces.return?.();
  }
}

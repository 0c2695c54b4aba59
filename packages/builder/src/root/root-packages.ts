import { createReadStream } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createGunzip } from 'node:zlib';
import { VirtainersError } from '@virtainers/core';
import { extract } from 'tar-stream';
import type { Layer } from '../oci/layer.ts';
import { parseStatus } from './dpkg-status.ts';
import type { Lock, LockedPackage } from './lock.ts';

/** A package that a runtime root has. */
export interface RootPackage {
  readonly name: string;
  /** The source package that it was built from. */
  readonly source: string;
  readonly version: string;
}

const STATUS = 'var/lib/dpkg/status';

/** Those of a root that was made from `lock`. */
export function lockedRootPackages(lock: Lock): RootPackage[] {
  return lock.packages.map((locked) => ({ name: locked.name, source: sourceOf(locked), version: locked.version }));
}

/** A Debian pool has one folder for each source package: `debian/pool/main/q/qemu`. */
export function sourceOf({ path }: Pick<LockedPackage, 'path'>): string {
  return basename(dirname(path));
}

/** Those that a published root's layer, a file in the cache, says it has. ROOT_INVALID where it says nothing. */
export async function publishedRootPackages({ segments, mediaType }: Layer): Promise<RootPackage[]> {
  const [segment] = segments;
  if (!segment || Buffer.isBuffer(segment)) throw new Error('a published root is a file');
  const bytes = createReadStream(segment.path, { highWaterMark: 1 << 20 });
  const reader = extract();
  const plain = mediaType.endsWith('gzip') ? bytes.pipe(createGunzip({ chunkSize: 1 << 20 })) : bytes;
  plain.on('error', (error: Error) => reader.destroy(error));
  plain.pipe(reader);
  try {
    for await (const entry of reader) {
      if (entry.header.name !== STATUS) entry.resume();
      else return parseStatus(await text(entry));
    }
  } finally {
    bytes.destroy();
  }
  throw new VirtainersError(
    'ROOT_INVALID',
    `reading a runtime root: no ${STATUS}, so features cannot be laid above it`,
    {
      hint: 'give an image that `virtainers bake` made, or bake without --runtime',
    },
  );
}

async function text(entry: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of entry) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import { BLOCK, bodySize, LONGEST_NAME, parseHeader, parseOverride, type TarOverride } from './tar-header.ts';

/** Where a file's bytes lie in a tar. */
export interface TarMember {
  readonly offset: number;
  readonly size: number;
}

const MOST_MEMBERS = 65_536;

/**
 * Lists the plain files of an uncompressed tar by reading headers only, so that an archive of gigabytes takes milliseconds.
 * A link to a file of the same tar is that file: `docker save` writes a layer once and links to it. ARCHIVE_INVALID for
 * anything that is not such a tar, or is cut short.
 */
export async function indexTar(path: string): Promise<Map<string, TarMember>> {
  const handle = await open(path, 'r');
  try {
    return await readMembers(handle, (await handle.stat()).size, path);
  } finally {
    await handle.close();
  }
}

/** Whether it begins as a tar does; no disk does. */
export async function looksLikeTar(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const block = await readExactly(handle, 0, BLOCK);
    return block.length === BLOCK && block[0] !== 0 && parseHeader(block) !== undefined;
  } finally {
    await handle.close();
  }
}

async function readMembers(handle: FileHandle, fileSize: number, path: string): Promise<Map<string, TarMember>> {
  const members = new Map<string, TarMember>();
  const links = new Map<string, string>();
  let override: TarOverride = {};
  let headers = 0;
  for (let at = 0; at + BLOCK <= fileSize; ) {
    const block = await readExactly(handle, at, BLOCK);
    if (block.every((byte) => byte === 0)) break;
    const header = parseHeader(block);
    headers += 1;
    if (!header || headers > MOST_MEMBERS) throw invalid(path, 'it is not a tar that virtainers can read');
    const size = bodySize(header, override);
    const name = (override.name ?? header.name).replace(/^\.\//, '');
    const body = at + BLOCK;
    if (body + size > fileSize) throw invalid(path, `it ends in the middle of ${name}`);
    if (header.type === 'x' || header.type === 'L') {
      if (size > LONGEST_NAME) throw invalid(path, 'a name in it is longer than any name');
      override = parseOverride(header.type, await readExactly(handle, body, size));
    } else {
      if (header.type === '0') members.set(name, { offset: body, size });
      if (header.type === '2') links.set(name, posix.join(posix.dirname(name), header.target));
      override = {};
    }
    at = body + Math.ceil(size / BLOCK) * BLOCK;
  }
  if (headers === 0) throw invalid(path, 'it is not a tar');
  for (const [name, target] of links) {
    const member = members.get(target);
    if (member) members.set(name, member);
  }
  return members;
}

export async function readExactly(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) return buffer.subarray(0, done);
    done += bytesRead;
  }
  return buffer;
}

function invalid(path: string, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `reading ${path}: ${reason}`, {
    hint: 'an archive is an uncompressed tar with an OCI image layout in it, as `virtainers bake --output` writes',
  });
}

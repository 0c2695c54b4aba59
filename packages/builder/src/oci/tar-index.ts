import { type FileHandle, open } from 'node:fs/promises';
import { VirtainersError } from '@virtainers/core';

/** Where a file's bytes lie in a tar. */
export interface TarMember {
  readonly offset: number;
  readonly size: number;
}

const BLOCK = 512;
const MOST_MEMBERS = 65_536;
const LONGEST_NAME = 64 * 1024;

/**
 * Lists the plain files of an uncompressed tar by reading headers only, so that an archive of gigabytes takes milliseconds.
 * ARCHIVE_INVALID for anything that is not such a tar, or is cut short.
 */
export async function indexTar(path: string): Promise<Map<string, TarMember>> {
  const handle = await open(path, 'r');
  try {
    return await readMembers(handle, (await handle.stat()).size, path);
  } finally {
    await handle.close();
  }
}

async function readMembers(handle: FileHandle, fileSize: number, path: string): Promise<Map<string, TarMember>> {
  const members = new Map<string, TarMember>();
  let override: { name?: string; size?: number } = {};
  let headers = 0;
  for (let at = 0; at + BLOCK <= fileSize; ) {
    const block = await readExactly(handle, at, BLOCK);
    if (block.every((byte) => byte === 0)) break;
    const header = parseHeader(block);
    headers += 1;
    if (!header || headers > MOST_MEMBERS) throw invalid(path, 'it is not a tar that virtainers can read');
    const size = override.size ?? header.size;
    const body = at + BLOCK;
    if (body + size > fileSize) throw invalid(path, `it ends in the middle of ${override.name ?? header.name}`);
    if (header.type === 'x' || header.type === 'L') {
      if (size > LONGEST_NAME) throw invalid(path, 'a name in it is longer than any name');
      const text = (await readExactly(handle, body, size)).toString('utf8');
      override = header.type === 'L' ? { name: text.replace(/\0.*$/s, '') } : parsePax(text);
    } else {
      if (header.type === '0') members.set((override.name ?? header.name).replace(/^\.\//, ''), { offset: body, size });
      override = {};
    }
    at = body + Math.ceil(size / BLOCK) * BLOCK;
  }
  if (headers === 0) throw invalid(path, 'it is not a tar');
  return members;
}

/** POSIX pax, "ustar Interchange Format"; sizes of 8 GiB and more in base 256, as GNU and tar-stream write them. */
function parseHeader(block: Buffer): { name: string; size: number; type: string } | undefined {
  let sum = 256;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  if (sum !== octal(block, 148, 8)) return undefined;
  const size = (block[124] ?? 0) & 0x80 ? Number(block.readBigUInt64BE(128)) : octal(block, 124, 12);
  if (size === undefined || !Number.isSafeInteger(size)) return undefined;
  const ustar = block.toString('latin1', 257, 262) === 'ustar';
  const prefix = ustar && block[262] === 0 ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const flag = String.fromCharCode(block[156] ?? 0);
  return { name: prefix ? `${prefix}/${name}` : name, size, type: flag === '\0' ? '0' : flag };
}

/** Records `<length> <key>=<value>\n`; only the two that move things are used. */
function parsePax(records: string): { name?: string; size?: number } {
  const name = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(records)?.[1];
  const size = /(?:^|\n)\d+ size=(\d{1,15})\n/.exec(records)?.[1];
  return { ...(name === undefined ? {} : { name }), ...(size === undefined ? {} : { size: Number(size) }) };
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

function octal(block: Buffer, start: number, length: number): number | undefined {
  const digits = text(block, start, length).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined;
}

function text(block: Buffer, start: number, length: number): string {
  return block.toString('utf8', start, start + length).replace(/\0.*$/s, '');
}

function invalid(path: string, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `reading ${path}: ${reason}`, {
    hint: 'an archive is an uncompressed tar with an OCI image layout in it, as `virtainers bake --output` writes',
  });
}

import { once } from 'node:events';
import { VirtainersError } from '@virtainers/core';
import { pack } from 'tar-stream';
import { type Segment, segmentsSize } from './segments.ts';

/** One file or folder of an archive. Owners are numbers, names are never written. */
export interface TarEntry {
  /** Relative, `/` between parts, none of them empty, `.` or `..`. */
  readonly path: string;
  readonly mode: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** A file's bytes; a folder has none. */
  readonly content?: readonly Segment[] | undefined;
}

const BLOCK = 512;
/** A tar ends with two blocks of zeros (POSIX pax, "ustar Interchange Format"). */
const END = Buffer.alloc(2 * BLOCK);
const LAST_MTIME = 2 ** 31 - 1;

/** Sorted by path, byte by byte, so that the order in which files were found does not matter. */
export function sortEntries(entries: readonly TarEntry[]): TarEntry[] {
  return [...entries].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/**
 * The bytes of a tar of `entries` in the order given, every mtime `mtime` (seconds since 1970).
 * ARCHIVE_INVALID: a path that could leave the folder in which it is unpacked, twice the same, or a file used as a folder.
 */
export async function tarSegments(entries: readonly TarEntry[], mtime: number): Promise<Segment[]> {
  checkEntries(entries);
  const segments: Segment[] = [];
  for (const entry of entries) segments.push(...(await entrySegments(entry, mtime)));
  return [...segments, END];
}

/** One entry: header, content, padding; without the end of the archive. */
export async function entrySegments(entry: TarEntry, mtime: number): Promise<Segment[]> {
  const content = entry.content ?? [];
  const size = segmentsSize(content);
  const padding = (BLOCK - (size % BLOCK)) % BLOCK;
  const header = await encodeHeader(entry, size, mtime);
  return [header, ...content, ...(padding > 0 ? [Buffer.alloc(padding)] : [])];
}

/** tar-stream writes the header block (and a pax header for names that need one) as soon as an entry is begun. */
async function encodeHeader(entry: TarEntry, size: number, mtime: number): Promise<Buffer> {
  const folder = entry.content === undefined;
  const tar = pack();
  const sink = tar.entry({
    name: folder ? `${entry.path}/` : entry.path,
    type: folder ? 'directory' : 'file',
    mode: entry.mode,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    size,
    mtime: new Date(mtime * 1000),
  });
  sink.on('error', () => undefined);
  await once(tar, 'readable');
  const blocks: Buffer[] = [];
  for (let block = tar.read(); block !== null; block = tar.read()) blocks.push(block as Buffer);
  tar.destroy();
  return Buffer.concat(blocks);
}

function checkEntries(entries: readonly TarEntry[]): void {
  const folders = new Map<string, boolean>();
  for (const entry of entries) {
    const reason = pathProblem(entry.path) ?? (folders.has(entry.path) ? 'it is there twice' : undefined);
    if (reason) throw invalid(entry.path, reason);
    folders.set(entry.path, entry.content === undefined);
  }
  for (const { path } of entries) {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      if (folders.get(path.slice(0, at)) === false) throw invalid(path, `${path.slice(0, at)} is a file`);
    }
  }
}

/** Why a path may not stand in a tar; undefined when it may. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'it is empty';
  if (/[\0-\x1f\x7f]/.test(path)) return 'it holds a control character';
  if (Buffer.from(path).toString() !== path) return 'it is not valid Unicode';
  if (path.startsWith('/')) return 'it is absolute';
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..'))
    return 'a part of it is empty, `.` or `..`';
  if (Buffer.byteLength(path) > 4096) return 'it is longer than 4096 bytes';
  return undefined;
}

/** Header fields of a tar hold seconds in 31 bits here: later dates would come out negative. */
export function checkEpoch(epoch: number): number {
  if (Number.isInteger(epoch) && epoch >= 0 && epoch <= LAST_MTIME) return epoch;
  throw new VirtainersError(
    'CONFIG_INVALID',
    `SOURCE_DATE_EPOCH is ${epoch}, not whole seconds from 0 to ${LAST_MTIME}`,
  );
}

function invalid(path: string, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `adding ${JSON.stringify(path)} to an archive: ${reason}`);
}

import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VirtainersError } from '@virtainers/core';
import { type ExtractEvents, extract, type Header, type Pack, pack } from 'tar-stream';
import { comparePaths } from './path-rules.ts';

type Entry = ExtractEvents['entry'][1];
type NewHeader = Partial<Header> & Pick<Header, 'name'>;

/** Something that we put into a root. Paths are relative and have no trailing slash. */
export interface TarFile {
  readonly path: string;
  readonly type?: 'file' | 'directory' | 'symlink';
  /** A file's content, or what a symlink points to. */
  readonly content?: string | Uint8Array;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface TarRules {
  readonly drop: (path: string) => boolean;
  /** Put in, or in place of what the tar has there. */
  readonly files: readonly TarFile[];
  /** Seconds since 1970, of every entry. */
  readonly mtime: number;
  /**
   * Layers: setuid, setgid and capabilities are taken away (a file with capabilities cannot run without them).
   * Else capabilities are an error. Other extended attributes (access lists of log folders, set at each boot) go silently.
   */
  readonly plain: boolean;
  /** May change a file's bytes but not their number. */
  readonly edit?: ((path: string, content: Buffer) => Buffer) | undefined;
  /** Which files `edit` wants to see; they are held in memory. */
  readonly edits?: ((path: string) => boolean) | undefined;
}

/**
 * Rewrites a tar so that only its content counts: dropped what the rules drop, put in what they add, sorted, numeric
 * owners, one mtime. `source` must be sorted by name (as mmdebstrap's are); throws ROOT_INVALID where it is not.
 */
export async function rewriteTar(
  source: Readable,
  target: Writable,
  rules: TarRules,
  signal?: AbortSignal,
): Promise<void> {
  const reader = extract();
  const writer = pack();
  const stop = signal ? { signal } : {};
  const fill = async () => {
    await copyEntries(reader, writer, rules);
    writer.finalize();
  };
  try {
    await Promise.all([pipeline(source, reader, stop), fill(), pipeline(writer, target, stop)]);
  } catch (error) {
    reader.destroy();
    writer.destroy();
    throw error;
  }
}

/** A sorted tar of our own files, for mmdebstrap to lay into a root. */
export async function writeTar(target: Writable, files: readonly TarFile[], mtime: number): Promise<void> {
  const writer = pack();
  const fill = async () => {
    for (const file of [...files].sort((a, b) => comparePaths(a.path, b.path))) await addFile(writer, file, mtime);
    writer.finalize();
  };
  await Promise.all([fill(), pipeline(writer, target)]);
}

/** The sizes of the files that `wanted` names. */
export async function fileSizes(source: Readable, wanted: (path: string) => boolean): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const reader = extract();
  const read = async () => {
    for await (const entry of reader) {
      const path = pathOf(entry.header);
      if (entry.header.type === 'file' && wanted(path)) sizes.set(path, entry.header.size);
      entry.resume();
    }
  };
  await Promise.all([pipeline(source, reader), read()]);
  return sizes;
}

/** The bytes of one file, undefined where there is none of that path. */
export async function tarFile(source: Readable, path: string): Promise<Buffer | undefined> {
  const reader = extract();
  let found: Buffer | undefined;
  const read = async () => {
    for await (const entry of reader) {
      if (entry.header.type !== 'file' || pathOf(entry.header) !== path) {
        entry.resume();
        continue;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      found = Buffer.concat(chunks);
    }
  };
  await Promise.all([pipeline(source, reader), read()]);
  return found;
}

async function copyEntries(reader: ReturnType<typeof extract>, writer: Pack, rules: TarRules): Promise<void> {
  const ours = [...rules.files].sort((a, b) => comparePaths(a.path, b.path));
  const droppedFiles = new Set<string>();
  let last = '';
  for await (const entry of reader) {
    const path = pathOf(entry.header);
    if (path === '' || path === '.') {
      entry.resume();
      continue;
    }
    if (comparePaths(path, last) <= 0)
      throw new VirtainersError('ROOT_INVALID', `reading a root: ${path} after ${last}`);
    last = path;
    while (ours[0] && comparePaths(ours[0].path, path) < 0) await addFile(writer, ours.shift() as TarFile, rules.mtime);
    if (ours[0]?.path === path) {
      await addFile(writer, ours.shift() as TarFile, rules.mtime);
      entry.resume();
    } else if (rules.drop(path)) {
      droppedFiles.add(path);
      entry.resume();
    } else {
      await copyEntry(entry, writer, canonicalHeader(entry.header, path, rules, droppedFiles), rules);
    }
  }
  for (const file of ours) await addFile(writer, file, rules.mtime);
}

function pathOf(header: Header): string {
  return header.name.replace(/^\.\//, '').replace(/\/$/, '');
}

function canonicalHeader(header: Header, path: string, rules: TarRules, dropped: ReadonlySet<string>): NewHeader {
  const linkname = header.type === 'link' ? header.linkname.replace(/^\.\//, '') : header.linkname;
  if (header.type === 'link' && linkname && dropped.has(linkname)) {
    throw new VirtainersError(
      'ROOT_INVALID',
      `reading a root: ${path} is a hard link to ${linkname}, which is dropped`,
    );
  }
  const pax = (header.pax ?? {}) as Record<string, string>;
  if (!rules.plain && Object.keys(pax).some((name) => name.startsWith('SCHILY.xattr.security.'))) {
    throw new VirtainersError('ROOT_INVALID', `reading a root: ${path} has capabilities, which would be lost`);
  }
  return {
    name: path,
    type: header.type,
    mode: rules.plain && header.type !== 'directory' ? header.mode & 0o1777 : header.mode,
    uid: header.uid,
    gid: header.gid,
    uname: '',
    gname: '',
    mtime: new Date(rules.mtime * 1000),
    size: header.size,
    ...(linkname ? { linkname } : {}),
  };
}

async function copyEntry(entry: Entry, writer: Pack, header: NewHeader, rules: TarRules): Promise<void> {
  if (header.type !== 'file' && header.type !== 'contiguous-file') {
    entry.resume();
    await addEntry(writer, { ...header, size: 0 });
  } else if (rules.edit && rules.edits?.(header.name)) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const content = rules.edit(header.name, Buffer.concat(chunks));
    await addEntry(writer, { ...header, size: content.length }, content);
  } else {
    await streamEntry(entry, writer, header);
  }
}

async function streamEntry(entry: Entry, writer: Pack, header: NewHeader): Promise<void> {
  if (header.size === 0) {
    entry.resume();
    return addEntry(writer, header, Buffer.alloc(0));
  }
  await new Promise<void>((resolve, reject) => {
    const sink = writer.entry(header, (error) => (error ? reject(error) : resolve()));
    entry.on('error', reject);
    entry.pipe(sink);
  });
}

async function addFile(writer: Pack, file: TarFile, mtime: number): Promise<void> {
  const type = file.type ?? 'file';
  const header: NewHeader = {
    name: file.path,
    type,
    mode: file.mode ?? (type === 'file' ? 0o644 : type === 'symlink' ? 0o777 : 0o755),
    uid: file.uid ?? 0,
    gid: file.gid ?? 0,
    uname: '',
    gname: '',
    mtime: new Date(mtime * 1000),
    ...(type === 'symlink' ? { linkname: String(file.content) } : {}),
  };
  await addEntry(writer, header, type === 'file' ? Buffer.from(file.content ?? '') : undefined);
}

function addEntry(writer: Pack, header: NewHeader, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve());
    if (content === undefined) writer.entry(header, done);
    else writer.entry({ ...header, size: content.length }, content, done);
  });
}

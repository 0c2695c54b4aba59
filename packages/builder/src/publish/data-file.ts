import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import {
  belongs,
  checkBinding,
  checkFormatVersion,
  checkOverlayHeader,
  type DataPaths,
  type Digest,
  digestBytes,
  digestFile,
  digestOf,
  formatSize,
  isDigest,
  type MemoryRecord,
  overlayStamp,
  parseJson,
  parseMemoryRecord,
  parseSidecar,
  readMemoryRecord,
  readQcow2Header,
  type Sidecar,
  syncDirectory,
  VirtainersError,
  writeAll,
  writeAtomically,
} from '@virtainers/core';
import { z } from 'zod';
import { workingIn } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { hostQemuTool } from '../disk/qemu-tool.ts';
import { segmentsSize, writeSegments } from '../oci/segments.ts';
import { tarSegments } from '../oci/tar.ts';
import { indexTar, readExactly, type TarMember } from '../oci/tar-index.ts';
import { guardOutput } from '../sink/archive-file.ts';
import { describePacked, flattenChain, type PackedDisk, packOverlay } from './overlay-file.ts';

const FORMAT_VERSION = 1;
const NAMES = {
  contents: 'export.json',
  sidecar: 'local_image.json',
  overlay: 'local_image.qcow2',
  memory: 'local_memory.save',
  record: 'local_memory.json',
} as const;

const digest = z.custom<Digest>(isDigest);

const contentsSchema = z.looseObject({
  formatVersion: z.literal(FORMAT_VERSION),
  overlay: digest,
  sidecar: digest,
  /** Of what firmware and TPM remember, by its place in the folder. */
  state: z.record(z.string().regex(/^(local_variables\.fd|local_secure_variables\.fd|local_tpm\/\w[\w.-]*)$/), digest),
  /** Of a guest that was saved: it goes on where the file is imported. */
  memory: z.looseObject({ save: digest, record: digest }).optional(),
});

export interface WrittenDataFile {
  /** Bytes. */
  readonly size: number;
  /** Memory is saved there, and it is not in the file, because the disk has changed since. */
  readonly withoutMemory: boolean;
}

/**
 * Writes a data folder as one file: a tar with the overlay, packed or with its snapshots, its sidecar, what firmware and TPM
 * remember, saved memory that belongs to that very disk, and the digests of all. Whole or not at all.
 */
export async function writeDataFile(
  ctx: BuildContext,
  paths: DataPaths,
  sidecar: Sidecar,
  file: string,
): Promise<WrittenDataFile> {
  const { overlay } = paths;
  return workingIn(ctx, 'export', async (folder) => {
    ctx.onEvent({ type: 'start', step: 'disk', title: `packing ${overlay}` });
    const disk = await packDisk(ctx, overlay, sidecar, folder);
    ctx.onEvent({ type: 'end', step: 'disk', note: formatSize(disk.size), cached: false });
    const text = Buffer.from(`${JSON.stringify(sidecar, undefined, 2)}\n`);
    const state = await readState(paths);
    const record = await readMemoryRecord(paths);
    const memory = record && (await fittingMemory(paths, record));
    const contents: z.infer<typeof contentsSchema> = {
      ...{ formatVersion: FORMAT_VERSION, overlay: disk.sha256, sidecar: digestBytes(text) },
      state: Object.fromEntries(state.map(({ path, bytes }) => [path, digestBytes(bytes)])),
      ...(memory ? { memory: { save: memory.file.digest, record: digestBytes(memory.record) } } : {}),
    };
    const segments = await tarSegments(
      [
        { path: NAMES.contents, mode: 0o600, content: [Buffer.from(JSON.stringify(contents))] },
        { path: NAMES.sidecar, mode: 0o600, content: [text] },
        ...state.map(({ path, bytes }) => ({ path, mode: 0o600, content: [bytes] })),
        ...(memory
          ? [
              { path: NAMES.record, mode: 0o600, content: [memory.record] },
              { path: NAMES.memory, mode: 0o600, content: [memory.file] },
            ]
          : []),
        { path: NAMES.overlay, mode: 0o600, content: [{ path: disk.path, size: disk.size, digest: disk.sha256 }] },
      ],
      ctx.sourceDateEpoch,
    );
    // It holds what the guest wrote, and the password that a start may have made.
    const target = resolve(file);
    await guardOutput(target, () =>
      writeAtomically(target, async (handle) => void (await writeSegments(handle, 0, segments)), 0o600),
    );
    return { size: segmentsSize(segments), withoutMemory: memory === undefined && record !== undefined };
  });
}

/** The record, and the memory as a file; undefined where the disk, as it is, could not be resumed with it. */
async function fittingMemory(paths: DataPaths, record: MemoryRecord) {
  const facts = await stat(paths.memory).catch(absent);
  if (!facts || !belongs(record, await overlayStamp(paths.overlay))) return undefined;
  const file = { path: paths.memory, size: facts.size, digest: await digestFile(paths.memory) };
  return { record: Buffer.from(JSON.stringify(record)), file };
}

/** What readDataFile found. */
export interface DataFile {
  readonly sidecar: Sidecar;
  /** Of the memory, which then lies under its temporary name; its stamp of the disk is that of the disk it was saved with. */
  readonly memory: MemoryRecord | undefined;
}

/**
 * Puts what writeDataFile wrote into a folder where nothing of it is yet: the overlay under its temporary name, every byte checked.
 * Gives back the sidecar, which whoever calls writes before the overlay gets its name. SOURCE_UNAVAILABLE, ARCHIVE_INVALID,
 * DIGEST_MISMATCH.
 */
export async function readDataFile(file: string, paths: DataPaths): Promise<DataFile> {
  const members = await indexTar(file).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof VirtainersError) throw error;
    const why = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new VirtainersError('SOURCE_UNAVAILABLE', `reading ${file}: ${why}`, { cause: error });
  });
  const member = (name: string): TarMember => {
    const found = members.get(name);
    if (found) return found;
    throw new VirtainersError('ARCHIVE_INVALID', `reading ${file}: ${name} is not in it`, {
      hint: 'give a file that `virtainers export` wrote',
    });
  };
  const contents = parseContents(await readText(file, member(NAMES.contents)), file);
  const text = await readText(file, member(NAMES.sidecar));
  requireDigest(file, NAMES.sidecar, contents.sidecar, digestBytes(text));
  const sidecar = parseSidecar(text, `${file}, ${NAMES.sidecar}`);
  requireDigest(file, NAMES.overlay, contents.overlay, await unpack(file, member(NAMES.overlay), paths.temp));
  const header = await readQcow2Header(paths.temp);
  if (!header) throw new VirtainersError('DISK_REFUSED', `reading ${file}: its disk is not a qcow2 of a known version`);
  checkOverlayHeader(header, sidecar.chain.at(-1)?.path, `${file}, ${NAMES.overlay}`);
  checkBinding(header, sidecar.chain, `${file}, ${NAMES.overlay}`, 'the local_image.json beside it');
  for (const [path, wanted] of Object.entries(contents.state)) {
    const to = join(paths.folder, path);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    requireDigest(file, path, wanted, await unpack(file, member(path), to));
    await syncDirectory(dirname(to));
  }
  return { sidecar, memory: contents.memory && (await unpackMemory(file, member, contents.memory, paths)) };
}

async function unpackMemory(
  file: string,
  member: (name: string) => TarMember,
  wanted: { save: Digest; record: Digest },
  paths: DataPaths,
): Promise<MemoryRecord> {
  const text = await readText(file, member(NAMES.record));
  requireDigest(file, NAMES.record, wanted.record, digestBytes(text));
  requireDigest(file, NAMES.memory, wanted.save, await unpack(file, member(NAMES.memory), paths.memoryTemp));
  return parseMemoryRecord(text, `${file}, ${NAMES.record}`);
}

/** Packed, unless it has snapshots: packing would lose them. */
async function packDisk(ctx: BuildContext, overlay: string, { chain }: Sidecar, folder: string): Promise<PackedDisk> {
  const header = await readQcow2Header(overlay);
  if (header && header.snapshots > 0) return describePacked(overlay);
  const qemu = await hostQemuTool(ctx.exec, ctx.spawn);
  const [below, options] = [chain.at(-1), { signal: ctx.signal }];
  return below ? packOverlay(qemu, overlay, below, folder, options) : flattenChain(qemu, [overlay], folder, options);
}

/** UEFI's variables and the files of the TPM, which are small: what is there of them. */
async function readState({ folder, variables, secureVariables, tpm }: DataPaths) {
  const names = (await readdir(tpm).catch(absent)) ?? [];
  const kept = names.filter((name) => !name.startsWith('.')).sort();
  const files = [variables, secureVariables, ...kept.map((name) => join(tpm, name))];
  const found = await Promise.all(
    files.map(async (file) => ({ path: relative(folder, file), bytes: await own(file) })),
  );
  return found.flatMap(({ path, bytes }) => (bytes ? [{ path, bytes }] : []));
}

/** Not what a link leads to: the folder may be somebody else's, and this process root's. */
async function own(file: string): Promise<Buffer | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ELOOP') return absent(error);
    throw new VirtainersError('DISK_REFUSED', `opening ${file}: not a regular file`, { hint: 'move it away' });
  });
  return handle?.readFile().finally(() => handle.close());
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function parseContents(text: string, file: string) {
  const json = parseJson(text);
  checkFormatVersion(json, FORMAT_VERSION, file, 'ARCHIVE_INVALID');
  const parsed = contentsSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new VirtainersError('ARCHIVE_INVALID', `reading ${file}, ${NAMES.contents}:\n${z.prettifyError(parsed.error)}`);
}

async function readText(file: string, { offset, size }: TarMember): Promise<string> {
  if (size > 1 << 20)
    throw new VirtainersError('ARCHIVE_INVALID', `reading ${file}: a document in it has ${size} bytes`);
  const handle = await open(file, 'r');
  try {
    return (await readExactly(handle, offset, size)).toString('utf8');
  } finally {
    await handle.close();
  }
}

const PIECE = 1 << 20;
const NOTHING = Buffer.alloc(PIECE);

/** Writes a file that is not there yet; its digest. */
async function unpack(file: string, { offset, size }: TarMember, to: string): Promise<Digest> {
  const hash = createHash('sha256');
  const handle = await open(to, 'wx', 0o600);
  try {
    const part = { start: offset, end: offset + size - 1, highWaterMark: PIECE };
    const pieces = size === 0 ? [] : createReadStream(file, part);
    let at = 0;
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      hash.update(piece);
      // Memory has holes, which cost nothing here either.
      if (!piece.equals(NOTHING.subarray(0, piece.length))) await writeAll(handle, piece, at);
      at += piece.length;
    }
    await handle.truncate(size);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return digestOf(hash);
}

function requireDigest(file: string, name: string, wanted: Digest, found: Digest): void {
  if (wanted === found) return;
  throw new VirtainersError('DIGEST_MISMATCH', `reading ${name} out of ${file}: expected ${wanted}, got ${found}`, {
    hint: 'the file was damaged on its way: copy it again',
  });
}

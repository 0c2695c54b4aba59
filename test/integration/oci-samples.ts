import { createCipheriv } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ARCHITECTURES, type Architecture, digestBytes, makeLog, writeAtomically } from '@virtainers/core';
import type { BuildContext, BuildEvent } from '../../packages/builder/src/context.ts';
import { type ImageDraft, writeArchive } from '../../packages/builder/src/oci/archive.ts';
import { assembleImage } from '../../packages/builder/src/oci/image.ts';
import { fileLayer } from '../../packages/builder/src/oci/layer.ts';
import { MEDIA_TYPES } from '../../packages/builder/src/oci/media-types.ts';
import { streamSegments } from '../../packages/builder/src/oci/segments.ts';
import { type TarEntry, tarSegments } from '../../packages/builder/src/oci/tar.ts';
import { exec, spawn } from '../helpers/process.ts';

export const EPOCH = 1_790_000_000;

/** A bake's surroundings in `folder`: an own cache and built files that stand in for the real ones. */
export async function makeContext(folder: string, events: BuildEvent[] = []): Promise<BuildContext> {
  const assetsDir = join(folder, 'assets');
  await mkdir(join(assetsDir, 'templates', 'domain'), { recursive: true });
  await mkdir(join(assetsDir, 'bin'), { recursive: true });
  await writeFile(join(assetsDir, 'bin', 'virsh'), '#!/bin/sh\n');
  await writeFile(join(assetsDir, 'runtime.mjs'), 'console.log("runtime");\n');
  await writeFile(join(assetsDir, 'templates', 'domain', 'domain.xml.hbs'), '<domain/>\n');
  return {
    exec,
    spawn,
    log: makeLog(() => undefined),
    cacheDir: join(folder, 'cache'),
    assetsDir,
    sourceDateEpoch: EPOCH,
    onEvent: (event) => events.push(event),
    env: {},
  };
}

/** An archive that carries a runtime root of a few files, as `--runtime` takes it. */
export async function publishRoot(folder: string, arch: Architecture = 'amd64', greeting = 'hello\n'): Promise<string> {
  const archive = join(folder, `root-image-${arch}.tar`);
  const draft = await draftRoot(folder, arch, greeting);
  await writeAtomically(archive, async (handle) => void (await writeArchive(handle, [draft])));
  return archive;
}

/** One with a root for each architecture, under an index. */
export async function publishRoots(folder: string): Promise<string> {
  const archive = join(folder, 'root-images.tar');
  const drafts = await Promise.all(ARCHITECTURES.map((arch) => draftRoot(folder, arch, `hello ${arch}\n`)));
  await writeAtomically(archive, async (handle) => void (await writeArchive(handle, drafts)));
  return archive;
}

async function draftRoot(folder: string, arch: Architecture, greeting: string): Promise<ImageDraft> {
  const entries: TarEntry[] = [
    { path: 'etc', mode: 0o755 },
    { path: 'etc/hello', mode: 0o644, content: [Buffer.from(greeting)] },
    { path: 'usr', mode: 0o755 },
    { path: 'usr/lib', mode: 0o755 },
  ];
  const tar = await gather(streamSegments(await tarSegments(entries, EPOCH)));
  const bytes = gzipSync(tar);
  const path = join(folder, `root-${arch}.tar.gz`);
  await writeFile(path, bytes);
  const file = { path, size: bytes.length, digest: digestBytes(bytes), diffID: digestBytes(tar) };
  const root = fileLayer('root', { ...file, mediaType: MEDIA_TYPES.layerGzip });
  const fields = { arch, created: EPOCH, labels: { 'io.virtainers.root': root.diffID }, ports: [22] };
  const name: ImageDraft['name'] = (layers) => ({
    image: assembleImage(layers, fields),
    references: ['virtainers/root:1'],
    arch,
    mtime: EPOCH,
  });
  return { plans: [root], name };
}

async function gather(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

/** A disk of 8 MiB that looks bootable: a boot signature, text, two megabytes that no program makes smaller, a hole. */
export async function makeRawDisk(path: string): Promise<void> {
  const disk = Buffer.alloc(8 * 1024 * 1024);
  disk.writeUInt16LE(0xaa55, 510);
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(2 * 1024 * 1024));
  noise.copy(disk, 1024 * 1024);
  for (let at = 3 * 1024 * 1024; at < 4 * 1024 * 1024; at += 64) disk.write(`line ${at} of the guest's file\n`, at);
  await writeFile(path, disk);
}

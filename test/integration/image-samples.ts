import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes } from '@virtainers/core';
import { exec } from '../helpers/process.ts';

/** How a layer is stored: what the program makes of its tar, and what a manifest calls that. */
const PACKINGS = {
  plain: { command: undefined, mediaType: 'application/vnd.oci.image.layer.v1.tar' },
  gzip: { command: ['gzip', '-nk'], mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
  zstd: { command: ['zstd', '-qk'], mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' },
} as const;

const ENDINGS = { plain: '', gzip: '.gz', zstd: '.zst' } as const;

export type Packing = keyof typeof PACKINGS;

export interface SampleImage {
  /** Tars, bottom first. */
  readonly layers: readonly string[];
  readonly packing?: Packing;
  readonly architecture?: string;
  readonly os?: string;
}

/** One layer of what is in `folder`, everything owned by QEMU as KubeVirt wants it. */
export async function tarOf(folder: string, ...more: string[]): Promise<string> {
  const path = `${folder}.tar`;
  await exec('tar', [
    '-cf',
    path,
    '-C',
    folder,
    '--owner=107',
    '--group=107',
    '--sort=name',
    '--mtime=@0',
    ...more,
    '.',
  ]);
  return path;
}

/** An OCI layout of one image; of several, with an index that names their platforms, for another machine first. */
export async function writeLayout(folder: string, ...images: readonly SampleImage[]): Promise<string> {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const manifests = [];
  for (const image of images) manifests.push(await writeImage(folder, image));
  const top = images.length === 1 ? manifests : [await writeIndex(folder, manifests)];
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: top }));
  return folder;
}

async function writeIndex(folder: string, manifests: readonly object[]): Promise<object> {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  return blob(folder, mediaType, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })));
}

async function writeImage(folder: string, image: SampleImage): Promise<object> {
  const { layers: tars, packing = 'gzip', architecture = 'amd64', os = 'linux' } = image;
  const layers = [];
  const diffIDs: Digest[] = [];
  for (const tar of tars) {
    const { command, mediaType } = PACKINGS[packing];
    if (command) await exec(command[0], [...command.slice(1), '-f', tar]);
    diffIDs.push(digestBytes(await readFile(tar)));
    layers.push(await blob(folder, mediaType, await readFile(`${tar}${ENDINGS[packing]}`)));
  }
  const config = { architecture, os, config: {}, rootfs: { type: 'layers', diff_ids: diffIDs } };
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: await blob(folder, 'application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(config))),
    layers,
  };
  const written = await blob(folder, manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
  return { ...written, platform: { architecture, os } };
}

async function blob(folder: string, mediaType: string, bytes: Buffer) {
  const digest = digestBytes(bytes);
  await writeFile(join(folder, 'blobs', 'sha256', digest.slice(7)), bytes);
  return { mediaType, digest, size: bytes.length };
}

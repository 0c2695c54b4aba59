import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOf, formatSize, IN_IMAGE, VirtainersError } from '@virtainers/core';
import { detectFormat, FORMAT_HEAD } from '../disk/inspect-format.ts';
import type { StoredImage } from '../oci/read-layout.ts';
import { readTar, type StreamedEntry } from '../oci/tar-reader.ts';
import { type UnpackOptions, unpackLayer } from '../oci/unpack-layer.ts';
import { writeSparse } from '../source/compression.ts';
import { Hidden, isWanted } from './visible.ts';

/** The disk of an image, taken out of it. */
export interface FoundDisk {
  /** Relative to the image's root: `disk/disk.qcow2`. */
  readonly name: string;
  readonly path: string;
  readonly sha256: Digest;
  readonly size: number;
  /** Text of its machine.json. */
  readonly machine: string | undefined;
}

export interface FindOptions extends UnpackOptions {
  /** For people. */
  readonly label: string;
  /** Empty; where the disk is put. */
  readonly folder: string;
  /** Bytes; nothing in an image may be larger. */
  readonly maxSize: number;
}

const MACHINE = IN_IMAGE.machine.slice(1);
const LONGEST_MACHINE = 64 * 1024;
const MOST_WANTED = 10_000;
const FOLDER = '5';
const KINDS: Readonly<Record<string, string>> = { '0': 'a file', '1': 'a hard link', '2': 'a symbolic link' };

/**
 * The only file in the folder /disk of the flattened image, as KubeVirt takes it, and machine.json. Every layer is read once,
 * from the top down, and must be what its digests say; the disk's bytes alone are written. DISK_REFUSED where there is no
 * such file, another beside it, or something else in its place; ARCHIVE_INVALID, DIGEST_MISMATCH.
 */
export async function findDisk(image: StoredImage, options: FindOptions): Promise<FoundDisk> {
  const search = new Search(options);
  const { layers } = image.manifest;
  for (let index = layers.length - 1; index >= 0; index--) {
    const [descriptor, diffID] = [layers[index], image.config.rootfs.diff_ids[index]];
    if (!descriptor || !diffID) continue;
    const where = `${options.label}, layer ${descriptor.digest}`;
    const digest = image.layersByDiffID ? undefined : descriptor.digest;
    const layer = { where, digest, diffID, ...(await image.locate(descriptor)) };
    for await (const entry of readTar(unpackLayer(layer, options), where)) await search.see(entry);
    search.nextLayer();
  }
  return search.result();
}

class Search {
  private readonly options: FindOptions;
  private readonly hidden = new Hidden();
  private wanted = 0;
  private disk: Omit<FoundDisk, 'machine'> | undefined;
  private machine: string | undefined;

  constructor(options: FindOptions) {
    this.options = options;
  }

  async see(entry: StreamedEntry): Promise<void> {
    const { path, type, size } = entry;
    const folder = type === FOLDER;
    if (size > this.options.maxSize) throw this.tooLarge(entry);
    const whiteout = this.hidden.tell(path, folder);
    if (!isWanted(path)) return;
    this.wanted += 1;
    if (this.wanted > MOST_WANTED) throw this.refuse(`it has more than ${MOST_WANTED} files where its disk should be`);
    if (whiteout || this.hidden.covers(path, folder)) return;
    if (path === MACHINE && type === '0') this.machine = await this.readMachine(entry);
    if (path === 'disk' && !folder) throw this.refuse(`its /disk is ${kindOf(entry)}, not a folder`);
    if (path.startsWith('disk/')) await this.take(entry);
    if (path.startsWith('overlays/') && type === '0') throw this.published(path);
  }

  nextLayer(): void {
    this.hidden.nextLayer();
  }

  result(): FoundDisk {
    if (this.disk) return { ...this.disk, machine: this.machine };
    throw new VirtainersError(
      'DISK_REFUSED',
      `${this.options.label} has no disk: there is no file in its folder /disk`,
      {
        hint: 'give a KubeVirt containerDisk, or an image that `virtainers bake` made of a disk',
      },
    );
  }

  private async take(entry: StreamedEntry): Promise<void> {
    const { path, type, sparse } = entry;
    if (type !== '0') throw this.refuse(`its /${path} is ${kindOf(entry)}, where a disk should be`);
    if (this.disk && this.disk.name !== path) {
      throw this.refuse(
        `two files in /disk, ${quoted(this.disk.name)} and ${quoted(path)}: nothing says which is its disk`,
      );
    }
    if (sparse) throw this.refuse(`its /${quoted(path)} is stored in pieces (GNU tar --sparse)`);
    this.disk = await this.extract(entry);
  }

  private async extract({ path: name, size, body }: StreamedEntry): Promise<Omit<FoundDisk, 'machine'>> {
    const path = join(this.options.folder, 'disk');
    const hash = createHash('sha256');
    const handle = await open(path, 'w', 0o644);
    try {
      let [done, head] = [0, Buffer.alloc(0)];
      for await (const piece of body) {
        // Before gigabytes are unpacked that no disk begins with.
        if (done < FORMAT_HEAD) {
          head = Buffer.concat([head, piece.subarray(0, FORMAT_HEAD - done)]);
          if (head.length === FORMAT_HEAD) detectFormat(head, `${this.options.label}, /${quoted(name)}`);
        }
        hash.update(piece);
        await writeSparse(handle, piece, done);
        done += piece.length;
      }
      await handle.truncate(size);
    } finally {
      await handle.close();
    }
    return { name, path, size, sha256: digestOf(hash) };
  }

  private async readMachine({ size, body }: StreamedEntry): Promise<string> {
    if (size > LONGEST_MACHINE) throw this.refuse(`its ${IN_IMAGE.machine} has ${size} bytes`);
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(piece);
    return Buffer.concat(pieces).toString('utf8');
  }

  private refuse(reason: string, hint?: string): VirtainersError {
    return new VirtainersError('DISK_REFUSED', `taking the disk of ${this.options.label}: ${reason}`, { hint });
  }

  private tooLarge({ path, size }: StreamedEntry): VirtainersError {
    const { maxSize } = this.options;
    return this.refuse(
      `its /${quoted(path)} has ${formatSize(size)}, over the limit of ${formatSize(maxSize)}`,
      'raise the limit with --max-virtual-size if the disk is meant to be that large',
    );
  }

  private published(path: string): VirtainersError {
    return this.refuse(
      `what its guest wrote lies apart, in /${quoted(path)}`,
      'give the image that it was made from, or one whose changes were folded into its disk',
    );
  }
}

function kindOf({ type }: StreamedEntry): string {
  return type === FOLDER ? 'a folder' : (KINDS[type] ?? 'a device');
}

/** A name from a foreign image, safe on a terminal. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}

import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@virtainers/core';
import { exec } from '../process.ts';
import type { Signer } from './signer.ts';

/** What a vendor publishes of one release, in the layout that reference pages and the vendor's own tools document. */
export interface Fixture {
  /** By architecture: where its image lies, and the disk in it. */
  readonly images: Partial<Record<Architecture, { readonly url: string; readonly disk: Buffer }>>;
  /** By URL. */
  readonly files: Readonly<Record<string, Buffer>>;
  /** From a vendor's own address to the mirror that it names. */
  readonly redirects?: Readonly<Record<string, string>>;
  /** By URL, on another server: what is there once the first has it no more. */
  readonly archive?: Readonly<Record<string, Buffer>>;
}

/** What a fixture is made with. */
export interface Kit extends Signer {
  /** A small qcow2 disk, other bytes for every label. */
  disk(label: string): Promise<Buffer>;
  /** What a program makes of bytes that it reads. */
  pack(program: 'xz' | 'bzip2', bytes: Buffer): Promise<Buffer>;
}

export type Vendor = (kit: Kit) => Promise<Fixture>;

export function makeKit(folder: string, signer: Signer): Kit {
  const [raw, qcow2, packed] = ['disk.raw', 'disk.qcow2', 'packed'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  return {
    ...signer,
    disk: async (label) => {
      const bytes = Buffer.alloc(1024 * 1024);
      bytes.writeUInt16LE(0xaa55, 510);
      bytes.write(`the disk of ${label}\n`, 65536);
      await writeFile(raw, bytes);
      await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
      return readFile(qcow2);
    },
    pack: async (program, bytes) => {
      await writeFile(packed, bytes);
      const ending = program === 'xz' ? 'xz' : 'bz2';
      await exec(program, ['-1kf', packed]);
      const result = await readFile(`${packed}.${ending}`);
      await rm(`${packed}.${ending}`);
      return result;
    },
  };
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function sha512(bytes: Buffer): string {
  return createHash('sha512').update(bytes).digest('hex');
}

/** A sum of nothing that is served: of files that a vendor has beside the one that is looked for. */
export function otherSum(name: string): string {
  return sha256(Buffer.from(name));
}

/** As FreeBSD, Fedora and CentOS Stream write them, with the size before. */
export function bsdLine(name: string, bytes: Buffer): string {
  return `# ${name}: ${bytes.length} bytes\nSHA256 (${name}) = ${sha256(bytes)}\n`;
}

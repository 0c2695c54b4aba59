import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { ChainLink, Sidecar } from './data/sidecar.ts';
import { isDigest } from './digest.ts';
import { type DiskFormat, qcow2Problem } from './disk-header.ts';
import { VirtainersError } from './errors.ts';
import { checkFormatVersion } from './format-version.ts';
import { IN_IMAGE } from './machine.ts';
import type { Qcow2Header } from './qcow2.ts';

/** A disk file as QEMU is to open it. */
export interface DiskFile {
  readonly path: string;
  readonly format: DiskFormat;
}

const FORMAT_VERSION = 1;

/** /overlays/N.json, beside N.qcow2: what a published overlay is, and what it lies on. */
const overlaySchema = z.looseObject({
  formatVersion: z.literal(FORMAT_VERSION),
  sha256: z.custom<`sha256:${string}`>(isDigest, 'not a sha256 digest'),
  /** Of the file, in bytes. */
  size: z.int().positive(),
  /** What the guest sees, in bytes. */
  virtualSize: z.int().positive(),
  /** sha256 of the disk below it. */
  on: z.custom<`sha256:${string}`>(isDigest, 'not a sha256 digest'),
});

export type PublishedOverlay = z.infer<typeof overlaySchema>;

/** Where the `number`th overlay of an image lies, counted from 1, and the file that describes it. */
export function overlayPaths(
  number: number,
  folder: string = IN_IMAGE.overlays,
): { disk: string; description: string } {
  return { disk: `${folder}/${number}.qcow2`, description: `${folder}/${number}.json` };
}

/** What stands in N.json. */
export function describeOverlay(
  overlay: Pick<PublishedOverlay, 'sha256' | 'size' | 'virtualSize' | 'on'>,
): PublishedOverlay {
  return { formatVersion: FORMAT_VERSION, ...overlay };
}

/** Parses N.json; `where` is named in the error. DISK_REFUSED. */
export function parseOverlay(text: string, where: string): PublishedOverlay {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VirtainersError('DISK_REFUSED', `reading ${where}: not JSON`, { cause });
  }
  checkFormatVersion(json, FORMAT_VERSION, where, 'DISK_REFUSED');
  const parsed = overlaySchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new VirtainersError('DISK_REFUSED', `reading ${where}:\n${z.prettifyError(parsed.error)}`, {
    cause: parsed.error,
  });
}

/**
 * Refuses an overlay whose header names anything but the disk that it is known to lie on, before any program opens it: what
 * QEMU finds named there it would read. `below`: the path that must stand in the header; undefined: none may. DISK_REFUSED.
 */
export function checkOverlayHeader(header: Qcow2Header, below: string | undefined, where: string): void {
  const problem = qcow2Problem(header);
  if (problem) throw new VirtainersError('DISK_REFUSED', `opening ${where}: ${problem}`);
  if (header.backingFile === below) return;
  throw new VirtainersError(
    'DISK_REFUSED',
    `opening ${where}: it names ${quotedPath(header.backingFile)} as its base; it was made on ${quotedPath(below)}`,
    { hint: 'it is not the overlay that it is said to be; put back the files that were copied together' },
  );
}

/**
 * Throws BASE_MISMATCH for an overlay that says itself that it was made on another chain than `chain`, which `source` says; one that
 * says nothing, as those of older versions do, is taken.
 */
export function checkBinding(
  { boundTo }: Pick<Qcow2Header, 'boundTo'>,
  chain: readonly Pick<ChainLink, 'sha256'>[],
  where: string,
  source: 'the local_image.json beside it' | 'the image',
): void {
  const said = chain.map(({ sha256 }) => sha256);
  if (boundTo === undefined || isDeepStrictEqual([...boundTo], said)) return;
  throw new VirtainersError(
    'BASE_MISMATCH',
    `opening ${where}: it was made on ${listed(boundTo)}; ${source} says ${listed(said)}`,
    {
      hint: 'put back the files that belong together: a local_image.json that a start put aside is called local_image.aside-TIME.json; or move local_image.json away and run the image that the disk was made with',
    },
  );
}

function listed(digests: readonly string[]): string {
  return digests.length === 0 ? 'no disk' : digests.join(' + ');
}

/**
 * Throws BASE_MISMATCH unless `found`, the base disk first, is what the overlay at `where` was made on, link by link; both
 * digests and the ways out are named.
 */
export function checkChain(
  made: Pick<Sidecar, 'chain' | 'reference'>,
  found: readonly ChainLink[],
  where: string,
): void {
  const { chain, reference } = made;
  const index = Array.from({ length: Math.max(chain.length, found.length) }, (_, each) => each).find(
    (each) => chain[each]?.sha256 !== found[each]?.sha256 || chain[each]?.size !== found[each]?.size,
  );
  if (index === undefined) return;
  const from = reference === undefined ? '' : ` (${reference})`;
  throw new VirtainersError(
    'BASE_MISMATCH',
    `opening ${where}: it was made on ${named(chain, index)}${from}; here is ${named(found, index)}`,
    {
      hint: `run the image that it was made with${from}; or move it onto this one: virtainers rebase FOLDER IMAGE; or make an image of its own of it: virtainers publish FOLDER REF --flatten; or use another data folder; or move local_image.qcow2 away to start afresh: what belongs to it (local_image.json, local_tpm, local_variables.fd, local_secure_variables.fd) is then put aside, and goes back with it`,
    },
  );
}

function named(chain: readonly ChainLink[], index: number): string {
  const link = chain[index];
  const what = index === 0 ? 'the base disk' : `the published overlay ${index}`;
  if (link) return `${what} ${link.sha256}, ${link.size} bytes`;
  return index === 0 ? 'no base disk' : `nothing in its place (the top is ${chain.at(-1)?.sha256 ?? 'missing'})`;
}

/** A name from a foreign file, safe on a terminal. */
export function quotedPath(path: string | undefined): string {
  return path === undefined ? 'no disk' : JSON.stringify(path.slice(0, 200));
}

/**
 * A file name for QEMU that spells a chain out, `top` first, so that it opens nothing that a header names (QEMU, qemu(1),
 * "json:" pseudo-protocol; qapi/block-core.json, BlockdevOptions).
 */
export function chainName(top: DiskFile, below: readonly DiskFile[]): string {
  return `json:${JSON.stringify(chainNode([top, ...below]))}`;
}

function chainNode([top, ...below]: readonly DiskFile[]): object | null {
  if (!top) return null;
  const file = { driver: 'file', filename: top.path };
  if (top.format !== 'qcow2') return { driver: top.format, file };
  return { driver: 'qcow2', file, backing: chainNode(below) };
}

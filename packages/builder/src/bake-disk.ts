import { stat } from 'node:fs/promises';
import { type Architecture, type Digest, type Machine, VirtainersError } from '@virtainers/core';
import { bakeCloudDisk } from './cloud-disk.ts';
import type { BuildContext } from './context.ts';
import type { CustomizeOptions } from './customize/wish.ts';
import { findDefinition } from './definition/load.ts';
import type { ImageDefinition } from './definition/schema.ts';
import { type ForeignDisk, prepareForeignDisk } from './disk/foreign-disk.ts';
import { growPackageDisk } from './disk/grown-disk.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE } from './disk/inspect.ts';
import { makePackageDisk, type PackageDisk } from './disk/package-disk.ts';
import type { QemuTool } from './disk/qemu-tool.ts';
import { bakeImageDisk } from './image-source/image-disk.ts';
import { type ImageOrigin, imageOriginAt, parseImageOrigin } from './oci/image-origin.ts';
import type { LockOptions } from './root/locked-packages.ts';
import type { ToolRoot } from './root/tool-root.ts';
import { looksLikeOrigin, type Origin, parseOrigin } from './source/locate.ts';
import { openOrigin } from './source/origin-file.ts';
import { parseSums } from './source/sums.ts';
import type { Trust } from './source/vendor.ts';

/** What is to be baked: a definition, or somebody's disk, which may lie in an image. */
export type Subject = { readonly kind: 'definition'; readonly definition: ImageDefinition } | Origin | ImageOrigin;

/** The disk of an image and where it came from. */
export interface BakedDisk {
  readonly disk: PackageDisk | undefined;
  readonly sourceDigest: string | undefined;
  /** Where a vendor's file was found, and who vouches for it. */
  readonly vendor?: { readonly url: string; readonly trust: Trust } | undefined;
  /** The image that it was taken out of; `machine` where virtainers had made that. */
  readonly image?: { readonly digest: Digest; readonly machine: Machine | undefined } | undefined;
  readonly convertedBy: string | undefined;
  readonly customized?: Machine['customized'];
}

export interface DiskOptions extends CustomizeOptions {
  readonly sha256?: string | undefined;
  readonly sha512?: string | undefined;
  readonly allowUnverified?: boolean | undefined;
  /** A file with the key of a vendor of the catalogue whose key does not come along. */
  readonly vendorKey?: string | undefined;
  readonly maxVirtualSize?: number | undefined;
  readonly size?: number | undefined;
  /** Plain http, or a certificate that nobody vouches for. */
  readonly insecure?: boolean | undefined;
}

/** A catalogue's name wins over a file of the same name in this folder; a path has a `/` in it. IMAGE_UNKNOWN. */
export async function resolveSubject(source: string, definitions: readonly ImageDefinition[]): Promise<Subject> {
  const known = definitions.some(({ name, aliases }) => name === source || aliases.includes(source));
  const image = parseImageOrigin(source) ?? (known ? undefined : await imageOriginAt(source));
  if (image) return image;
  if (looksLikeOrigin(source)) return parseOrigin(source);
  if (!known && (await stat(source).catch(() => undefined))?.isFile()) return parseOrigin(source);
  return { kind: 'definition', definition: findDefinition(definitions, source) };
}

/** ARGUMENTS_BAD for options that say nothing about a disk made here. */
export function checkDiskOptions(subject: Subject, options: DiskOptions): void {
  if (subject.kind === 'definition' && subject.definition.kind === 'cloud') return;
  if (options.vendorKey !== undefined) {
    throw new VirtainersError(
      'ARGUMENTS_BAD',
      '--vendor-key: only for a distro of the catalogue whose vendor signs it',
    );
  }
  if (subject.kind !== 'definition') return;
  const { name, kind } = subject.definition;
  const { sha256, sha512, size, customize, package: packages, file, run, firstBoot } = options;
  const forDisks = { size, customize, package: packages, file, run, 'first-boot': firstBoot };
  const useless = { sha256, sha512, ...(kind === 'generic' && forDisks) };
  const given = Object.entries(useless).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value));
  if (given.length === 0) return;
  const names = given.map(([option]) => `--${option}`).join(', ');
  const why = kind === 'generic' ? `${name} has no disk` : `that of ${name} is made here`;
  throw new VirtainersError('ARGUMENTS_BAD', `${names}: only for somebody's disk; ${why}`);
}

/** A disk made from packages needs the tool root; somebody's disk any qemu-img. */
export async function bakeDisk(
  ctx: BuildContext,
  subject: Subject,
  arch: Architecture,
  needs: { tools: () => Promise<ToolRoot>; qemu: () => Promise<QemuTool>; locks: LockOptions },
  options: DiskOptions,
): Promise<BakedDisk> {
  if (subject.kind === 'image') return bakeImageDisk(ctx, subject, await needs.qemu(), { ...options, arch });
  if (subject.kind !== 'definition') return foreign(await foreignDisk(ctx, subject, await needs.qemu(), options));
  const { definition } = subject;
  const none = { sourceDigest: undefined, convertedBy: undefined };
  if (definition.kind === 'generic') return { disk: undefined, ...none };
  if (definition.kind === 'cloud') return bakeCloudDisk(ctx, { definition, arch, qemu: await needs.qemu(), options });
  const disk = await makePackageDisk(ctx, { definition, arch }, await needs.tools(), needs.locks);
  const { size } = options;
  return { disk: size === undefined ? disk : await growPackageDisk(ctx, disk, await needs.qemu(), size), ...none };
}

async function foreignDisk(ctx: BuildContext, origin: Origin, qemu: QemuTool, options: DiskOptions) {
  const maxVirtualSize = options.maxVirtualSize ?? DEFAULT_MAX_VIRTUAL_SIZE;
  const sums = parseSums({ sha256: options.sha256, sha512: options.sha512 });
  const allowUnverified = options.allowUnverified ?? false;
  const file = await openOrigin(ctx, origin, { sums, allowUnverified, maxSize: maxVirtualSize });
  const disk = await prepareForeignDisk(ctx, file, qemu, { name: origin.label, maxVirtualSize, size: options.size });
  return { disk, digest: file.digest };
}

function foreign({ disk, digest }: { disk: ForeignDisk; digest: string }): BakedDisk {
  return { disk, sourceDigest: digest, convertedBy: disk.convertedBy };
}

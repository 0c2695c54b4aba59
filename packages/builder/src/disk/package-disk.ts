import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, type Digest, digestFile } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { type For, forArchitecture } from '../definition/architectures.ts';
import type { PackagesDefinition } from '../definition/schema.ts';
import { type PackageSet, setsOf } from '../package-set.ts';
import { bootstrap } from '../root/bootstrap.ts';
import { fileSizes, rewriteTar, type TarRules, writeTar } from '../root/canonical-tar.ts';
import { cachedFolder, cacheKey } from '../root/content-cache.ts';
import { fetchDebs } from '../root/debs.ts';
import { formatLock, type Lock, packageSet } from '../root/lock.ts';
import { type LockOptions, lockedPackages } from '../root/locked-packages.ts';
import { pathRules } from '../root/path-rules.ts';
import { selectionOf } from '../root/selection.ts';
import { ensureToolRoot, type ToolRoot } from '../root/tool-root.ts';
import { withWorkFolder } from '../work-folder.ts';
import { BOARDS } from './board.ts';
import { BIOS_GRUB_FOLDER, biosGrubFiles, installBiosGrub } from './boot-bios.ts';
import { fillEsp } from './boot-uefi.ts';
import { CORE_MODULES } from './grub.ts';
import { DROPPED, filesAfterPackages, filesBeforePackages } from './package-disk-files.ts';
import { makeFilesystem } from './package-disk-filesystem.ts';
import { planPartitions, stableUuid } from './partitions.ts';
import { retimeBytecode, sourceOfBytecode } from './python-bytecode.ts';

/** A qcow2 in the cache. */
export interface PackageDisk {
  readonly path: string;
  readonly sha256: Digest;
  /** Of the file, in bytes. */
  readonly size: number;
  /** What the guest sees, in bytes. */
  readonly virtualSize: number;
  /** What it was made from, where that is known. */
  readonly contents?: PackageSet | undefined;
  /** What went into its making beside the tool root and what is in it: other programs; the packages of a disk that it is no longer. */
  readonly madeFrom?: readonly PackageSet[] | undefined;
}

/** Raise it when what is done with packages and files changes. */
const RECIPE = 2;

/** What a disk is made of; all of it decides its bytes. */
interface Parts {
  readonly definition: For<PackagesDefinition>;
  readonly arch: Architecture;
  readonly lock: Lock;
  readonly tools: ToolRoot;
  /** Where the disk boots with UEFI. */
  readonly uefiTools: ToolRoot | undefined;
}

/** Makes a bootable disk of a distro's packages, without root rights on a device: no loop device, no mount, no grub-install. */
export async function makePackageDisk(
  ctx: BuildContext,
  { definition: everywhere, arch }: { definition: PackagesDefinition; arch: Architecture },
  tools: ToolRoot,
  options: LockOptions = {},
): Promise<PackageDisk> {
  const definition = forArchitecture(everywhere, arch);
  const selection = selectionOf(definition, arch);
  const lock = await lockedPackages(ctx, selection, options);
  const uefi = BOARDS[arch].firmware === 'uefi';
  const uefiTools = uefi ? await ensureToolRoot(ctx, options, 'tools-uefi') : undefined;
  const parts = { definition, arch, lock, tools, uefiTools };
  const key = diskKey(parts, ctx.sourceDateEpoch);
  ctx.onEvent({ type: 'start', step: 'disk', title: definition.title });
  const { folder, result, cached } = await cachedFolder(ctx, 'disks', key, definition.title, (temp) =>
    makeDisk(ctx, parts, temp),
  );
  ctx.onEvent({ type: 'end', step: 'disk', note: `${Math.round(result.size / 1e6)} MB`, cached });
  const path = join(folder, 'disk.qcow2');
  return { ...result, path, contents: packageSet(selection, lock), madeFrom: setsOf(uefiTools?.contents) };
}

/** Everything that decides the disk's bytes: with the files that we write, so that a change of theirs is seen. */
function diskKey({ definition, arch, tools, uefiTools, lock }: Parts, epoch: number): Digest {
  const { path: _, ...content } = definition;
  const board = BOARDS[arch];
  const after = filesAfterPackages(definition, board, '', uefiTools ? [] : [BIOS_GRUB_FOLDER]);
  const files = [filesBeforePackages(board, ''), after, DROPPED, CORE_MODULES];
  const uefi = uefiTools && { uefi: uefiTools.digest };
  return cacheKey({ recipe: RECIPE, lock: formatLock(lock), content, files, tools: tools.digest, epoch, ...uefi });
}

async function makeDisk(ctx: BuildContext, parts: Parts, folder: string): Promise<Omit<PackageDisk, 'path'>> {
  const { definition, arch, lock, tools, uefiTools } = parts;
  const seed = `${definition.name} ${formatLock(lock)}`;
  const rootUuid = stableUuid(`${seed} filesystem`);
  const partitions = planPartitions(definition.size, seed, BOARDS[arch].firmware);
  const raw = join(folder, 'disk.raw');
  const disk = join(folder, 'disk.qcow2');
  const tar = join(folder, 'root.tar');
  await makeRootTar(ctx, parts, rootUuid, tar);
  await writeFile(raw, '');
  await truncate(raw, definition.size);
  await tools.exec('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', raw], { input: partitions.script });
  await makeFilesystem(ctx, tools, { raw, tar, uuid: rootUuid, where: partitions.root });
  const boot = { raw, where: partitions.boot, rootUuid, folder };
  if (uefiTools) await fillEsp(ctx, uefiTools, { ...boot, tar, arch });
  else await installBiosGrub(tools, boot);
  // One coroutine and in order: where a cluster lies in the file must not depend on which thread was first.
  await tools.exec('qemu-img', ['convert', '-c', '-m', '1', '-f', 'raw', '-O', 'qcow2', raw, disk], {
    signal: ctx.signal,
  });
  await Promise.all([rm(raw), rm(tar)]);
  return { sha256: await digestFile(disk), size: (await stat(disk)).size, virtualSize: definition.size };
}

async function makeRootTar(
  ctx: BuildContext,
  { definition, arch, lock, tools, uefiTools }: Parts,
  rootUuid: string,
  tar: string,
): Promise<void> {
  const { mirror, suite, packages } = definition;
  const board = BOARDS[arch];
  const debs = await fetchDebs(ctx, lock, mirror, selectionOf(definition, arch).name);
  const epoch = ctx.sourceDateEpoch;
  await withWorkFolder(ctx, async (folder) => {
    const setup = join(folder, 'setup.tar');
    const output = join(folder, 'root.tar');
    await writeTar(createWriteStream(setup), filesBeforePackages(board, rootUuid), epoch);
    await bootstrap(ctx, { debs, suite, arch, variant: 'minbase', include: packages, setup, output });
    const sizes = await fileSizes(createReadStream(output, { highWaterMark: 1 << 20 }), (path) => path.endsWith('.py'));
    const rules: TarRules = {
      drop: pathRules(DROPPED).drop,
      files: filesAfterPackages(definition, board, rootUuid, uefiTools ? [] : await biosGrubFiles(tools)),
      mtime: epoch,
      plain: false,
      edits: (path) => sizes.has(sourceOfBytecode(path) ?? ''),
      edit: (path, bytes) => retimeBytecode(bytes, epoch, sizes.get(sourceOfBytecode(path) ?? '') ?? 0),
    };
    await rewriteTar(createReadStream(output, { highWaterMark: 1 << 20 }), createWriteStream(tar), rules, ctx.signal);
  });
}

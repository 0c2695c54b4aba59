import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestFile } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { PackagesDefinition } from '../definition/schema.ts';
import { bootstrap } from '../root/bootstrap.ts';
import { fileSizes, rewriteTar, type TarFile, type TarRules, writeTar } from '../root/canonical-tar.ts';
import { cachedFolder, cacheKey } from '../root/content-cache.ts';
import { fetchDebs } from '../root/debs.ts';
import { formatLock, type Lock } from '../root/lock.ts';
import { type LockOptions, lockedPackages } from '../root/locked-packages.ts';
import { pathRules } from '../root/path-rules.ts';
import { selectionOf } from '../root/selection.ts';
import type { ToolRoot } from '../root/tool-root.ts';
import { withWorkFolder } from '../work-folder.ts';
import { CORE_MODULES, coreConfig, patchBootSector, patchCoreImage } from './grub.ts';
import { DROPPED, filesAfterPackages, filesBeforePackages } from './package-disk-files.ts';
import { makeFilesystem } from './package-disk-filesystem.ts';
import { type PartitionPlan, planPartitions, SECTOR, stableUuid } from './partitions.ts';
import { retimeBytecode, sourceOfBytecode } from './python-bytecode.ts';

/** A qcow2 in the cache. */
export interface PackageDisk {
  readonly path: string;
  readonly sha256: Digest;
  /** Of the file, in bytes. */
  readonly size: number;
  /** What the guest sees, in bytes. */
  readonly virtualSize: number;
}

/** Raise it when what is done with packages and files changes. */
const RECIPE = 2;
const GRUB_FILES = /\.(mod|lst)$/;

/** Makes a bootable disk of a distro's packages, without root rights on a device: no loop device, no mount, no grub-install. */
export async function makePackageDisk(
  ctx: BuildContext,
  definition: PackagesDefinition,
  tools: ToolRoot,
  options: LockOptions = {},
): Promise<PackageDisk> {
  const lock = await lockedPackages(ctx, selectionOf(definition), options);
  const key = diskKey(definition, tools, lock, ctx.sourceDateEpoch);
  ctx.onEvent({ type: 'start', step: 'disk', title: definition.title });
  const { folder, result, cached } = await cachedFolder(ctx, 'disks', key, (temp) =>
    makeDisk(ctx, definition, tools, lock, temp),
  );
  ctx.onEvent({ type: 'end', step: 'disk', note: `${Math.round(result.size / 1e6)} MB`, cached });
  return { ...result, path: join(folder, 'disk.qcow2') };
}

/** Everything that decides the disk's bytes: with the files that we write, so that a change of theirs is seen. */
function diskKey(definition: PackagesDefinition, tools: ToolRoot, lock: Lock, epoch: number): Digest {
  const { path: _, ...content } = definition;
  const files = [filesBeforePackages(''), filesAfterPackages(definition, '', []), DROPPED, CORE_MODULES];
  return cacheKey({ recipe: RECIPE, lock: formatLock(lock), content, files, tools: tools.digest, epoch });
}

async function makeDisk(
  ctx: BuildContext,
  definition: PackagesDefinition,
  tools: ToolRoot,
  lock: Lock,
  folder: string,
): Promise<Omit<PackageDisk, 'path'>> {
  const seed = `${definition.name} ${formatLock(lock)}`;
  const rootUuid = stableUuid(`${seed} filesystem`);
  const partitions = planPartitions(definition.size, seed);
  const raw = join(folder, 'disk.raw');
  const disk = join(folder, 'disk.qcow2');
  const tar = join(folder, 'root.tar');
  await makeRootTar(ctx, definition, tools, lock, rootUuid, tar);
  await writeFile(raw, '');
  await truncate(raw, definition.size);
  await tools.exec('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', raw], { input: partitions.script });
  await makeFilesystem(ctx, tools, { raw, tar, uuid: rootUuid, where: partitions.root });
  await installGrub(tools, raw, partitions, rootUuid, folder);
  // One coroutine and in order: where a cluster lies in the file must not depend on which thread was first.
  await tools.exec('qemu-img', ['convert', '-c', '-m', '1', '-f', 'raw', '-O', 'qcow2', raw, disk], {
    signal: ctx.signal,
  });
  await Promise.all([rm(raw), rm(tar)]);
  return { sha256: await digestFile(disk), size: (await stat(disk)).size, virtualSize: definition.size };
}

async function makeRootTar(
  ctx: BuildContext,
  definition: PackagesDefinition,
  tools: ToolRoot,
  lock: Lock,
  rootUuid: string,
  tar: string,
): Promise<void> {
  const { mirror, stem, suite, packages } = definition;
  const debs = await fetchDebs(ctx, lock, mirror, stem);
  const epoch = ctx.sourceDateEpoch;
  await withWorkFolder(ctx, async (folder) => {
    const setup = join(folder, 'setup.tar');
    const output = join(folder, 'root.tar');
    await writeTar(createWriteStream(setup), filesBeforePackages(rootUuid), epoch);
    await bootstrap(ctx, { debs, suite, variant: 'minbase', include: packages, setup, output });
    const sizes = await fileSizes(createReadStream(output, { highWaterMark: 1 << 20 }), (path) => path.endsWith('.py'));
    const rules: TarRules = {
      drop: pathRules(DROPPED).drop,
      files: filesAfterPackages(definition, rootUuid, await grubModules(tools)),
      mtime: epoch,
      plain: false,
      edits: (path) => sizes.has(sourceOfBytecode(path) ?? ''),
      edit: (path, bytes) => retimeBytecode(bytes, epoch, sizes.get(sourceOfBytecode(path) ?? '') ?? 0),
    };
    await rewriteTar(createReadStream(output, { highWaterMark: 1 << 20 }), createWriteStream(tar), rules, ctx.signal);
  });
}

/** GRUB's modules are those of the tool root, as core.img is: they must be of one version. */
async function grubModules(tools: ToolRoot): Promise<TarFile[]> {
  const folder = join(tools.path, 'usr/lib/grub/i386-pc');
  const names = (await readdir(folder)).filter((name) => GRUB_FILES.test(name));
  return Promise.all(names.map(async (path) => ({ path, content: await readFile(join(folder, path)) })));
}

async function installGrub(
  tools: ToolRoot,
  raw: string,
  partitions: PartitionPlan,
  rootUuid: string,
  folder: string,
): Promise<void> {
  const modules = join(tools.path, 'usr/lib/grub/i386-pc');
  const config = join(folder, 'core.cfg');
  const core = join(folder, 'core.img');
  await writeFile(config, coreConfig(rootUuid));
  const format = ['-O', 'i386-pc', '-d', modules, '-p', '/boot/grub'];
  await tools.exec('grub-mkimage', [...format, '-c', config, '-o', core, ...CORE_MODULES]);
  const handle = await open(raw, 'r+');
  try {
    const first = Buffer.alloc(SECTOR);
    await handle.read(first, 0, SECTOR, 0);
    const boot = patchBootSector(await readFile(join(modules, 'boot.img')), first, partitions.bios.start);
    const image = patchCoreImage(await readFile(core), partitions.bios);
    await handle.write(boot, 0, boot.length, 0);
    await handle.write(image, 0, image.length, partitions.bios.start * SECTOR);
  } finally {
    await handle.close();
  }
  await Promise.all([rm(config), rm(core)]);
}

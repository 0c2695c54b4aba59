import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture, Digest, Exec, Spawn } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { forArchitecture } from '../definition/architectures.ts';
import { loadRootDefinition } from '../definition/load.ts';
import type { PackageSet } from '../package-set.ts';
import { bootstrap } from './bootstrap.ts';
import { cachedFolder, cacheKey } from './content-cache.ts';
import { fetchDebs } from './debs.ts';
import { formatLock, packageSet } from './lock.ts';
import { type LockOptions, lockedPackages } from './locked-packages.ts';
import { selectionOf } from './selection.ts';

/** The programs that make disks and layers: always these, never the host's, so that the same inputs give the same bytes. */
export interface ToolRoot {
  /** The unpacked root. */
  readonly path: string;
  /** Of everything that decides what is in it. */
  readonly digest: Digest;
  readonly contents?: PackageSet | undefined;
  /** How `program` (`mke2fs`, `qemu-img`) is called; nothing runs as root or in a chroot for it. */
  command(program: string, args: readonly string[]): ToolCommand;
  /** As the given Exec, but `file` is a program of the root. */
  readonly exec: Exec;
  readonly spawn: Spawn;
}

export interface ToolCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Raise it when what is done with the packages changes. */
const RECIPE = 1;
const IN_SBIN = new Set(['mke2fs', 'e2fsck', 'debugfs', 'dumpe2fs', 'sfdisk', 'resize2fs']);

/** What the programs are built for: this machine runs them, whatever they make. */
const ARCH: Architecture = 'amd64';

/** A tool root of images/, unpacked in the cache: `tools`, or `tools-uefi`, which only disks with an ESP need. */
export async function ensureToolRoot(
  ctx: BuildContext,
  options: LockOptions = {},
  name: 'tools' | 'tools-uefi' = 'tools',
): Promise<ToolRoot> {
  const definition = forArchitecture(await loadRootDefinition(join(ctx.assetsDir, 'images'), name), ARCH);
  const selection = selectionOf(definition, ARCH);
  const lock = await lockedPackages(ctx, selection, options);
  const key = cacheKey({ recipe: RECIPE, lock: formatLock(lock) });
  ctx.onEvent({ type: 'start', step: 'tools', title: definition.title });
  const { folder, cached } = await cachedFolder(ctx, 'tools', key, definition.title, async (temp) => {
    const debs = await fetchDebs(ctx, lock, selection.mirror, selection.name);
    const tar = join(temp, 'root.tar');
    const include = debs.map((deb) => deb.name);
    await bootstrap(ctx, { debs, suite: definition.suite, arch: ARCH, variant: 'extract', include, output: tar });
    await mkdir(join(temp, 'root'));
    await ctx.exec('tar', ['-xf', tar, '-C', join(temp, 'root'), '--no-same-owner', '--exclude=./dev']);
    await rm(tar);
    return {};
  });
  ctx.onEvent({ type: 'end', step: 'tools', note: `${lock.packages.length} packages`, cached });
  return { ...openToolRoot(ctx, join(folder, 'root'), key), contents: packageSet(selection, lock) };
}

/** The programs of an unpacked Debian root, called through its own loader (ld.so(8)) with its own libraries. */
export function openToolRoot(ctx: Pick<BuildContext, 'exec' | 'spawn'>, path: string, digest: Digest): ToolRoot {
  const command = (program: string, args: readonly string[]): ToolCommand => ({
    file: join(path, 'usr/lib64/ld-linux-x86-64.so.2'),
    args: [
      '--library-path',
      join(path, 'usr/lib/x86_64-linux-gnu'),
      '--argv0',
      program,
      join(path, 'usr', IN_SBIN.has(program) ? 'sbin' : 'bin', program),
      ...args,
    ],
    // mke2fs reads names in a tar by the locale's character set; C.UTF-8 is part of libc-bin.
    env: { LOCPATH: join(path, 'usr/lib/locale'), TZ: 'UTC' },
  });
  return {
    path,
    digest,
    command,
    exec: (program, args, options) => {
      const { file, args: words, env } = command(program, args);
      return ctx.exec(file, words, { ...options, env: { ...env, ...options?.env } });
    },
    spawn: (program, args, options) => {
      const { file, args: words, env } = command(program, args);
      return ctx.spawn(file, words, { ...options, env: { ...env, ...options?.env } });
    },
  };
}

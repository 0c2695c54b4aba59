import { join } from 'node:path';
import { type Architecture, IN_IMAGE, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { For } from '../definition/architectures.ts';
import type { FeatureDefinition } from '../definition/schema.ts';
import { withWorkFolder } from '../work-folder.ts';
import type { TarFile } from './canonical-tar.ts';
import { cachedFolder, cacheKey } from './content-cache.ts';
import { type Deb, fetchDebs } from './debs.ts';
import { statusStanzas } from './dpkg-status.ts';
import { type GzipLayer, writeGzipLayer } from './gzip-layer.ts';
import { formatLock, type LockedPackage, packageSet } from './lock.ts';
import { type LockOptions, lockedPackages } from './locked-packages.ts';
import { ancestors, pathRules } from './path-rules.ts';
import { type RootPackage, sourceOf } from './root-packages.ts';
import { LAYER_FILE, type PackageLayer, packageLayer } from './runtime-root.ts';
import { selectionOf } from './selection.ts';
import type { ToolRoot } from './tool-root.ts';

/** Raise it when what is done with packages and files changes. */
const RECIPE = 1;

/**
 * The layer of one feature for containers of `arch`: what its packages bring that the runtime root does not have, and a file that says so.
 * Throws what lockedPackages and fetchDebs throw, and LOCK_STALE for packages that do not go with those of the root.
 */
export async function makeFeatureLayer(
  ctx: BuildContext,
  tools: ToolRoot,
  definition: For<FeatureDefinition>,
  arch: Architecture,
  root: readonly RootPackage[],
  options: LockOptions = {},
): Promise<PackageLayer> {
  const selection = selectionOf(definition, arch);
  const lock = await lockedPackages(ctx, selection, options);
  const packages = aboveRoot(definition, lock.packages, root);
  const own = { ...lock, packages };
  const { name, drop, keep } = definition;
  const step = `feature-${name}`;
  const key = cacheKey({
    recipe: RECIPE,
    marker: markerOf(definition, packages),
    lock: formatLock(own),
    drop,
    keep,
    tools: tools.digest,
    epoch: ctx.sourceDateEpoch,
  });
  ctx.onEvent({ type: 'start', step, title: `feature ${name}` });
  const { folder, result, cached } = await cachedFolder(ctx, 'features', key, `feature ${name}`, async (temp) => {
    const debs = await fetchDebs(ctx, own, selection.mirror, selection.name);
    return makeLayer(ctx, tools, definition, debs, join(temp, LAYER_FILE));
  });
  ctx.onEvent({ type: 'end', step, note: `${Math.round(result.size / 1e6)} MB`, cached });
  return packageLayer(folder, result, packageSet(selection, own));
}

/**
 * The packages that the root does not have. Those built from the same source as one of the root's must be of its version:
 * QEMU loads no module of another build.
 */
export function aboveRoot(
  { name }: Pick<FeatureDefinition, 'name'>,
  packages: readonly LockedPackage[],
  root: readonly RootPackage[],
): LockedPackage[] {
  const known = new Set(root.map((one) => one.name));
  const above = packages.filter((one) => !known.has(one.name));
  for (const one of above) {
    const sibling = root.find(({ source }) => source === sourceOf(one));
    if (!sibling || upstream(sibling.version) === upstream(one.version)) continue;
    throw new VirtainersError(
      'LOCK_STALE',
      `feature ${name}: ${one.name} ${one.version} does not go with the runtime root's ${sibling.name} ${sibling.version}`,
      { hint: 'bake with --update-lock to take both as the mirror has them now' },
    );
  }
  return above;
}

/** Without what Debian adds when it builds the same source again: `1.0-2+b1`. */
function upstream(version: string): string {
  return version.replace(/\+b\d+$/, '');
}

async function makeLayer(
  ctx: BuildContext,
  tools: ToolRoot,
  definition: For<FeatureDefinition>,
  debs: readonly Deb[],
  layer: string,
): Promise<GzipLayer> {
  const rules = pathRules(
    definition.drop.flatMap((group) => group.paths),
    definition.keep,
  );
  const files = [...markerFiles(definition, debs), ...(await statusFiles(ctx, debs))];
  const result = await withWorkFolder(ctx, async (folder) => {
    const [tree, tar] = [join(folder, 'tree'), join(folder, 'feature.tar')];
    for (const deb of debs) await ctx.exec('dpkg-deb', ['--extract', deb.file, tree], { signal: ctx.signal });
    const plain = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
    await ctx.exec('tar', ['-cf', tar, ...plain, '-C', tree, '.'], { signal: ctx.signal });
    const drop = (path: string) => rules.drop(path) || isAlias(definition, path);
    const tarRules = { drop, files, mtime: ctx.sourceDateEpoch, plain: true };
    return writeGzipLayer(tools, tar, layer, tarRules, ctx.signal);
  });
  for (const pattern of rules.unused()) ctx.log.debug(`${definition.path}: drop: ${pattern} meets nothing`);
  return result;
}

/** In the root these are links into /usr: a folder of that name above it would hide them and all that is behind them. */
function isAlias({ path }: Pick<FeatureDefinition, 'path'>, name: string): false {
  if (!/^(bin|lib|lib64|sbin)(\/|$)/.test(name)) return false;
  throw new VirtainersError('DEFINITION_INVALID', `${path}: a package has ${name} outside of usr/`);
}

/** What the supervisor reads: this image has the feature. */
function markerFiles(definition: For<FeatureDefinition>, packages: readonly LockedPackage[]): TarFile[] {
  const path = `${IN_IMAGE.features}/${definition.name}.json`.slice(1);
  return [...parents(path), { path, content: `${JSON.stringify(markerOf(definition, packages), null, 2)}\n` }];
}

function markerOf(
  { name, title }: Pick<FeatureDefinition, 'name' | 'title'>,
  packages: readonly LockedPackage[],
): object {
  return {
    formatVersion: 1,
    name,
    title,
    packages: Object.fromEntries(packages.map((one) => [one.name, one.version])),
  };
}

/** A file a package in the folder where scanners look for what was not installed by dpkg, beside the root's own status. */
async function statusFiles(ctx: BuildContext, debs: readonly Deb[]): Promise<TarFile[]> {
  const folder = 'var/lib/dpkg/status.d';
  const stanzas = await statusStanzas(ctx.exec, debs);
  const files = debs.map((deb, index) => ({ path: `${folder}/${deb.name}`, content: stanzas[index] ?? '' }));
  return [...parents(`${folder}/x`), ...files];
}

function parents(path: string): TarFile[] {
  return ancestors(path).map((folder): TarFile => ({ path: folder, type: 'directory' }));
}

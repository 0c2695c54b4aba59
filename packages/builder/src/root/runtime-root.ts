import { join } from 'node:path';
import { type Architecture, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { type For, forArchitecture } from '../definition/architectures.ts';
import { loadRootDefinition } from '../definition/load.ts';
import type { RootDefinition } from '../definition/schema.ts';
import type { PackageSet } from '../package-set.ts';
import { withWorkFolder } from '../work-folder.ts';
import { bootstrap } from './bootstrap.ts';
import { cachedFolder, cacheKey } from './content-cache.ts';
import { type Deb, fetchDebs } from './debs.ts';
import { statusStanzas } from './dpkg-status.ts';
import { type GzipLayer, writeGzipLayer } from './gzip-layer.ts';
import { formatLock, packageSet } from './lock.ts';
import { type LockOptions, lockedPackages } from './locked-packages.ts';
import { osinfoTable } from './osinfo.ts';
import { pathRules } from './path-rules.ts';
import { lockedRootPackages, type RootPackage } from './root-packages.ts';
import { runtimeFiles } from './runtime-files.ts';
import { selectionOf } from './selection.ts';
import type { ToolRoot } from './tool-root.ts';

/** A layer made from packages, as a file in the cache. */
export interface PackageLayer extends GzipLayer {
  readonly contents: PackageSet;
  readonly path: string;
  readonly mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip';
}

/** The lowest layer of every image. */
interface RootLayer extends PackageLayer {
  readonly packages: readonly RootPackage[];
}

/** Raise it when what is done with packages and files changes. */
const RECIPE = 1;
const OSINFO_PACKAGE = 'osinfo-db';
export const LAYER_FILE = 'layer.tar.gz';

/** The runtime root of images/runtime.yaml for containers of `arch`; no program of it runs for that. Throws what lockedPackages and fetchDebs throw. */
export async function makeRuntimeRoot(
  ctx: BuildContext,
  tools: ToolRoot,
  arch: Architecture,
  options: LockOptions = {},
): Promise<RootLayer> {
  const definition = forArchitecture(await loadRootDefinition(join(ctx.assetsDir, 'images'), 'runtime'), arch);
  const selection = selectionOf(definition, arch);
  const lock = await lockedPackages(ctx, selection, options);
  const { drop, keep } = definition;
  const key = cacheKey({
    recipe: RECIPE,
    files: runtimeFiles('', ''),
    lock: formatLock(lock),
    drop,
    keep,
    tools: tools.digest,
    epoch: ctx.sourceDateEpoch,
  });
  ctx.onEvent({ type: 'start', step: 'root', title: 'runtime root' });
  const { folder, result, cached } = await cachedFolder(ctx, 'roots', key, definition.title, async (temp) => {
    const debs = await fetchDebs(ctx, lock, selection.mirror, selection.name);
    return makeLayer(ctx, tools, definition, arch, debs, join(temp, LAYER_FILE));
  });
  ctx.onEvent({ type: 'end', step: 'root', note: `${Math.round(result.size / 1e6)} MB`, cached });
  return { ...packageLayer(folder, result, packageSet(selection, lock)), packages: lockedRootPackages(lock) };
}

/** Where a cached folder holds the layer that was made in it. */
export function packageLayer(folder: string, made: GzipLayer, contents: PackageSet): PackageLayer {
  return {
    ...made,
    contents,
    path: join(folder, LAYER_FILE),
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  };
}

async function makeLayer(
  ctx: BuildContext,
  tools: ToolRoot,
  definition: For<RootDefinition>,
  arch: Architecture,
  debs: readonly Deb[],
  layer: string,
): Promise<GzipLayer> {
  const osinfo = debs.find((deb) => deb.name === OSINFO_PACKAGE);
  if (!osinfo)
    throw new VirtainersError('DEFINITION_INVALID', `${definition.path}: packages: ${OSINFO_PACKAGE} is missing`);
  const installed = debs.filter((deb) => deb !== osinfo);
  const files = runtimeFiles(
    `${JSON.stringify(await osinfoTable(ctx.spawn, osinfo.file))}\n`,
    (await statusStanzas(ctx.exec, installed)).join('\n'),
  );
  const rules = pathRules(
    definition.drop.flatMap((group) => group.paths),
    definition.keep,
  );
  const result = await withWorkFolder(ctx, async (folder) => {
    const output = join(folder, 'root.tar');
    const include = installed.map((deb) => deb.name);
    await bootstrap(ctx, { debs: installed, suite: definition.suite, arch, variant: 'extract', include, output });
    return writeGzipLayer(
      tools,
      output,
      layer,
      { drop: rules.drop, files, mtime: ctx.sourceDateEpoch, plain: true },
      ctx.signal,
    );
  });
  for (const pattern of rules.unused()) ctx.log.debug(`${definition.path}: drop: ${pattern} meets nothing`);
  return result;
}

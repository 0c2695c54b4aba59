import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { commandFailed, IN_IMAGE } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Layer, LayerPlan } from '../oci/layer.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import { streamSegments } from '../oci/segments.ts';
import { cachedFolder, cacheKey } from '../root/content-cache.ts';

/** Raise it when what is done with the layer changes. */
const RECIPE = 1;

/** The layers below the disk as one folder in the cache, with places for what an image has above them. Nobody writes to it. */
export async function unpackRoot(ctx: BuildContext, layers: readonly Layer[]): Promise<string> {
  const key = cacheKey({ recipe: RECIPE, unpacked: layers.map(({ diffID }) => diffID) });
  const { folder } = await cachedFolder(ctx, 'roots', key, 'a runtime root, unpacked', async (temp) => {
    const path = join(temp, 'root');
    for (const layer of layers) await unpackLayer(ctx, layer, path);
    for (const name of [IN_IMAGE.app, IN_IMAGE.data]) await mkdir(join(path, name), { recursive: true });
    for (const name of [IN_IMAGE.disk, IN_IMAGE.machine]) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), '');
    }
    return {};
  });
  return join(folder, 'root');
}

/** Into a new folder, owned by whoever bakes: nothing in it is ever run as root. COMMAND_FAILED. */
export async function unpackLayer(ctx: BuildContext, layer: LayerPlan, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const compressed = layer.mediaType === MEDIA_TYPES.layerTar ? [] : ['--gzip'];
  const args = ['--extract', ...compressed, '--no-same-owner', '--directory', folder];
  const tar = ctx.spawn('tar', args, { stdin: 'pipe', stdout: 'ignore' });
  let said = '';
  tar.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  if (!tar.stdin) throw commandFailed(['tar', ...args], 'has no pipe', '');
  const fed = await pipeline(streamSegments(layer.segments, { signal: ctx.signal }), tar.stdin).catch((error) => error);
  const { exitCode } = await tar.exited;
  ctx.signal?.throwIfAborted();
  if (exitCode !== 0) throw commandFailed(['tar', ...args], `exit code ${exitCode}`, said);
  if (fed) throw fed;
}

import { type BuildContext, type DiskDiff, diffDisk } from '@virtainers/builder';
import type { HostContext } from '../context.ts';
import type { EngineName } from '../engine/engine.ts';
import { insecureRegistries, whereabouts } from '../publish/references.ts';
import { withData } from './find-data.ts';

export interface DiffWords {
  /** A container, or a data folder. */
  readonly source: string;
  /** The image that it was made from; otherwise it is looked for. */
  readonly base?: string | undefined;
  readonly engine?: EngineName | undefined;
  readonly insecure?: boolean | undefined;
}

/** What a virtual machine has changed. What withData and diffDisk throw. */
export async function diffData(context: HostContext, build: BuildContext, words: DiffWords): Promise<DiskDiff> {
  const { source, engine, base } = words;
  const insecure = insecureRegistries(words.insecure, base);
  return withData({ ...context, cacheDir: build.cacheDir }, source, { engine }, async (data) => {
    const { paths, sidecar, header } = data;
    const files = { overlay: paths.overlay, virtualSize: Number(header.virtualSize), chain: sidecar.chain };
    return diffDisk(build, { ...files, ...(await whereabouts(data, base)), insecure });
  });
}

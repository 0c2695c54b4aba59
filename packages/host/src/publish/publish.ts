import { type BuildContext, type PublishResult, publish } from '@virtainers/builder';
import type { HostContext } from '../context.ts';
import { withData } from '../data/find-data.ts';
import type { EngineName } from '../engine/engine.ts';
import { whereabouts } from './references.ts';

/** A publication as a person asks for it. */
export interface PublishWords {
  /** A container, or a data folder. */
  readonly source: string;
  readonly reference: string;
  /** Where the image is that it was made from; otherwise it is looked for. */
  readonly base?: string | undefined;
  readonly engine?: EngineName | undefined;
  readonly output?: string | undefined;
  readonly fold?: 'flatten' | 'commit' | undefined;
  readonly message?: string | undefined;
  /** As in the builder's PublishRequest. */
  readonly scrub?: boolean | undefined;
  readonly insecure?: boolean | undefined;
}

/** Publishes the disk of a virtual machine, of a running one as it is now. What withData and the builder's publish throw. */
export async function publishDisk(
  context: HostContext,
  build: BuildContext,
  words: PublishWords,
): Promise<PublishResult> {
  const { source, engine, base, ...request } = words;
  return withData({ ...context, cacheDir: build.cacheDir }, source, engine, async (data) => {
    const where = await whereabouts(data, base);
    return publish(build, { ...request, ...where, overlay: data.paths.overlay, chain: data.sidecar.chain });
  });
}

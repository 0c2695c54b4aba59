import { type BuildContext, type PublishResult, publish } from '@virtainers/builder';
import { isAccessible } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { withData } from '../data/find-data.ts';
import type { EngineName } from '../engine/engine.ts';
import { insecureRegistries, whereabouts } from './references.ts';

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
  const insecure = insecureRegistries(words.insecure, base, words.reference);
  return withData({ ...context, cacheDir: build.cacheDir }, source, { engine }, async (data) => {
    const where = await whereabouts(data, base);
    if (await isAccessible(data.paths.memoryRecord)) context.log.warn(UNPUBLISHED);
    return publish(build, { ...request, ...where, insecure, overlay: data.paths.overlay, chain: data.sidecar.chain });
  });
}

const UNPUBLISHED =
  'the guest was saved, and its memory is not published: who runs the image boots from the disk as after a power cut; for more, start it and shut it down first';

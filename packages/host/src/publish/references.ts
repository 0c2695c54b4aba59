import type { Digest } from '@virtainers/core';
import type { FoundData } from '../data/find-data.ts';

/** Where the image of a disk is to be looked for. */
export interface Whereabouts {
  readonly references: readonly string[];
  /** What is looked for there; undefined: any image with the disk. */
  readonly diffIDs?: readonly Digest[] | undefined;
  readonly save?: (file: string) => Promise<void>;
}

/**
 * Where a person says; else as it was called at `run`, then as the engine knows it to have come from a registry, and at last
 * in the engine itself.
 */
export async function whereabouts({ sidecar, container }: FoundData, said: string | undefined): Promise<Whereabouts> {
  if (said !== undefined) return { references: [said] };
  const recorded = sidecar.reference === undefined ? [] : [sidecar.reference];
  const { diffIDs } = sidecar;
  if (!container) return { references: recorded, diffIDs };
  const { client, facts } = container;
  const image = await client.image(facts.image);
  return {
    references: [...new Set([...recorded, ...(image?.repoDigests ?? [])])],
    diffIDs: diffIDs ?? image?.diffIDs,
    save: (file) => client.saveImage(facts.image, file),
  };
}

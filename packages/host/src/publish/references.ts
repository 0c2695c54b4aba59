import { type InsecureRegistries, registryOf } from '@virtainers/builder';
import type { Digest } from '@virtainers/core';
import type { FoundData } from '../data/find-data.ts';

/** Where the image of a disk is to be looked for. */
export interface Whereabouts {
  readonly references: readonly string[];
  /** What is looked for there; undefined: any image with the disk. */
  readonly diffIDs?: readonly Digest[] | undefined;
  readonly save?: (file: string) => Promise<void>;
}

/** What `--insecure` is for: the registries of the references in the command; only where there are none, that of what is found. */
export function insecureRegistries(
  insecure: boolean | undefined,
  ...references: (string | undefined)[]
): InsecureRegistries {
  if (!insecure) return [];
  const named = references.flatMap((reference) => (reference && registryOf(reference)) || []);
  return named.length > 0 ? named : 'any';
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

import { z } from 'zod';
import { coreosStream } from './coreos-stream.ts';
import { debianSidecar } from './debian-sidecar.ts';
import { fedoraReleases } from './fedora-releases.ts';
import type { Finder, Found } from './find.ts';
import { fixed } from './fixed.ts';
import { listing } from './listing.ts';
import { oracleTemplate } from './oracle-template.ts';
import { simplestreams } from './simplestreams.ts';
import { sumsFile } from './sums-file.ts';

/** Every way to find a file. One more is one file and one row. */
const FINDERS = [
  fixed,
  listing,
  sumsFile,
  simplestreams,
  fedoraReleases,
  debianSidecar,
  oracleTemplate,
  coreosStream,
] as const;

/** What a definition may say about it. */
export const findSchema = z.discriminatedUnion('kind', [
  fixed.schema,
  listing.schema,
  sumsFile.schema,
  simplestreams.schema,
  fedoraReleases.schema,
  debianSidecar.schema,
  oracleTemplate.schema,
  coreosStream.schema,
]);

export type How = z.infer<typeof findSchema>;

/** What must be read first, relative to the place. Undefined: nothing. */
export function indexOf(how: How): string | undefined {
  return finderOf(how).index(how);
}

/** Undefined where the index names no such file; throws where it is no such index. */
export function findIn(text: string, how: How): Found | undefined {
  return finderOf(how).find(text, how);
}

function finderOf(how: How): Finder<z.ZodObject> {
  const finder = FINDERS.find(({ schema }) => schema.shape.kind.value === how.kind);
  if (!finder) throw new Error(`no finder for ${how.kind}`);
  return finder as unknown as Finder<z.ZodObject>;
}

import { z } from 'zod';
import type { Finder } from './find.ts';

const schema = z.strictObject({ kind: z.literal('coreos-stream'), index: z.string().min(1), arch: z.string().min(1) });

const disk = z.object({ location: z.url(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const index = z.object({
  architectures: z.record(
    z.string(),
    z.object({
      artifacts: z.object({
        qemu: z.object({ formats: z.object({ 'qcow2.xz': z.object({ disk }) }) }).optional(),
      }),
    }),
  ),
});

/** A stream of Fedora CoreOS (coreos/stream-metadata-go): its QEMU image, packed, and the sum of the packed file. */
export const coreosStream: Finder<typeof schema> = {
  schema,
  index: (how) => how.index,
  find: (text, { arch }) => {
    const { qemu } = index.parse(JSON.parse(text)).architectures[arch]?.artifacts ?? {};
    const found = qemu?.formats['qcow2.xz'].disk;
    return found && { path: found.location, sums: { sha256: found.sha256 }, words: {} };
  },
};

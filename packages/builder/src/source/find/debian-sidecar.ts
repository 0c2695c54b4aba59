import { z } from 'zod';
import type { Finder } from './find.ts';

const schema = z.strictObject({ kind: z.literal('debian-sidecar'), index: z.string().min(1) });

const FORMAT = 'upload.cloud.debian.org/image-format';
const DIGEST = 'cloud.debian.org/digest';

const index = z.object({
  items: z.array(
    z.object({
      data: z.object({ ref: z.string().optional() }).optional(),
      metadata: z
        .object({
          labels: z.record(z.string(), z.string()).optional(),
          annotations: z.record(z.string(), z.string()).optional(),
        })
        .optional(),
    }),
  ),
});

/**
 * The JSON beside each of Debian's cloud images: where the upload of that format lies, and its SHA-512 in base64 without
 * padding. The place is the folder that `ref` counts from.
 */
export const debianSidecar: Finder<typeof schema> = {
  schema,
  index: (how) => how.index,
  find: (text) => {
    const { items } = index.parse(JSON.parse(text));
    const upload = items.find(({ metadata }) => metadata?.labels?.[FORMAT] === 'qcow2');
    const ref = upload?.data?.ref;
    const digest = /^sha512:([A-Za-z0-9+/]{86})(?:==)?$/.exec(upload?.metadata?.annotations?.[DIGEST] ?? '')?.[1];
    if (ref === undefined || digest === undefined) return undefined;
    return { path: ref, sums: { sha512: Buffer.from(digest, 'base64').toString('hex') }, words: {} };
  },
};

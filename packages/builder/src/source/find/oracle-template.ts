import { z } from 'zod';
import type { Finder } from './find.ts';

const schema = z.strictObject({ kind: z.literal('oracle-template'), index: z.string().min(1) });

const index = z.object({
  base_url: z.string().min(1),
  kvm: z.object({ image: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/i) }),
});

/** Oracle's template JSON: the KVM image of the newest update, and its sum. */
export const oracleTemplate: Finder<typeof schema> = {
  schema,
  index: (how) => how.index,
  find: (text) => {
    const { base_url: base, kvm } = index.parse(JSON.parse(text));
    return { path: `${base.replace(/\/$/, '')}/${kvm.image}`, sums: { sha256: kvm.sha256.toLowerCase() }, words: {} };
  },
};

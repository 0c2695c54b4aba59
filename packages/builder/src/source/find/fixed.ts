import { z } from 'zod';
import type { Finder } from './find.ts';

const schema = z.strictObject({ kind: z.literal('fixed'), file: z.string().min(1) });

/** A name that stays: an alias such as `latest`, or a release that does not change any more. */
export const fixed: Finder<typeof schema> = {
  schema,
  index: () => undefined,
  find: (_text, { file }) => ({ path: file, sums: {}, words: {} }),
};

import { z } from 'zod';
import { type Finder, newestKey } from './find.ts';

const schema = z.strictObject({
  kind: z.literal('simplestreams'),
  index: z.string().min(1),
  product: z.string().min(1),
  /** Keys of the item, the first that there is: Ubuntu's was `uefi1.img` once. */
  items: z.array(z.string()).min(1),
});

const item = z.object({
  path: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().positive().optional(),
});
const index = z.object({
  products: z.record(
    z.string(),
    z.object({ versions: z.record(z.string(), z.object({ items: z.record(z.string(), z.unknown()) })) }),
  ),
});

/** Ubuntu's index of releases (https://git.launchpad.net/simplestreams/tree/doc): the newest version of one product. */
export const simplestreams: Finder<typeof schema> = {
  schema,
  index: (how) => how.index,
  find: (text, { product, items }) => {
    const versions = index.parse(JSON.parse(text)).products[product]?.versions ?? {};
    const whole = Object.keys(versions).filter((version) => items.some((name) => versions[version]?.items[name]));
    const version = newestKey(whole);
    if (version === undefined) return undefined;
    const of = versions[version]?.items ?? {};
    const { path, sha256, size } = item.parse(of[items.find((name) => of[name]) ?? '']);
    return { path, sums: { sha256 }, size, words: { version } };
  },
};

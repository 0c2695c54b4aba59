import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const schema = z.array(z.object({ name: z.string(), version: z.string(), sha512: z.string() }));

/** An npm package that the supervisor's one file carries. */
export type BundledPackage = z.infer<typeof schema>[number];

/** Those that were written down when the command was built; none where it was not built. */
export async function bundledPackages(assetsDir: string): Promise<BundledPackage[]> {
  const text = await readFile(join(assetsDir, 'bundled.json'), 'utf8').catch(() => '[]');
  return schema.parse(JSON.parse(text));
}

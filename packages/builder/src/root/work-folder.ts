import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildContext } from '../context.ts';

/**
 * A folder for the time of `use`, open to read for everyone: mmdebstrap of an ordinary user works under another id
 * (user_namespaces(7)), which cannot look into a home directory.
 */
export async function withWorkFolder<T>(ctx: BuildContext, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(ctx.env['TMPDIR'] || '/tmp', 'virtainers-'));
  try {
    await chmod(folder, 0o755);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

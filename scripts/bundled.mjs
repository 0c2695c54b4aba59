// Runs TypeScript of this repository by Node 20, which does not: the code is bundled first.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'tsdown';

export const repository = fileURLToPath(new URL('..', import.meta.url));

/** Hands the exports of `entry`, a path in the repository, to `use`. */
export async function withBundle(entry, use) {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-bundle-'));
  try {
    await build({
      config: false,
      cwd: repository,
      entry: { bundle: join(repository, entry) },
      outDir: folder,
      platform: 'node',
      format: 'esm',
      dts: false,
      logLevel: 'error',
      outExtensions: () => ({ js: '.mjs' }),
      // The tables name the commands' files, which are never loaded here.
      external: (id, importer) =>
        /commands\/table(-\w+)?\.ts$/.test(importer ?? '') && /^\.\/(?!rows|shared-rows|table)/.test(id),
      noExternal: (id) => !id.startsWith('node:'),
    });
    await use(await import(pathToFileURL(join(folder, 'bundle.mjs')).href));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

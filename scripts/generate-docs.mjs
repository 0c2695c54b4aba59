// Writes what is made from the code's tables and schemas (npm run docs). test/architecture/docs.test.ts fails when it is stale.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'tsdown';

const repository = fileURLToPath(new URL('..', import.meta.url));
// Node 20 runs no TypeScript: the pages' code is bundled first.
const folder = await mkdtemp(join(tmpdir(), 'virtainers-docs-'));
try {
  await build({
    config: false,
    cwd: repository,
    entry: { pages: join(repository, 'scripts/docs-pages.ts') },
    outDir: folder,
    platform: 'node',
    format: 'esm',
    dts: false,
    logLevel: 'error',
    outExtensions: () => ({ js: '.mjs' }),
    // The table names the commands' files, which are never loaded here.
    external: (id, importer) => /commands\/table\.ts$/.test(importer ?? '') && id.startsWith('./'),
    noExternal: (id) => !id.startsWith('node:'),
  });
  const { generatedFiles } = await import(pathToFileURL(join(folder, 'pages.mjs')).href);
  for (const [path, text] of Object.entries(generatedFiles())) {
    await writeFile(join(repository, path), text);
    console.log(path);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

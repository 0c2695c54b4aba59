// Writes the pages of docs/ that are made from the code's tables (npm run docs). test/architecture/docs.test.ts fails when they are stale.
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
    external: [/commands\/(?!table)/, /^\.\/\w+\.ts$/],
  });
  const { docsPages } = await import(pathToFileURL(join(folder, 'pages.mjs')).href);
  for (const [name, text] of Object.entries(docsPages())) {
    await writeFile(join(repository, 'docs', name), text);
    console.log(`docs/${name}`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

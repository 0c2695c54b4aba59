// Writes what is made from the code's tables and schemas (npm run docs). test/architecture/docs.test.ts fails when it is stale.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository, withBundle } from './bundled.mjs';

await withBundle('scripts/docs-pages.ts', async ({ generatedFiles }) => {
  for (const [path, text] of Object.entries(generatedFiles())) {
    await writeFile(join(repository, path), text);
    console.log(path);
  }
});

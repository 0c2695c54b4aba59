// scripts/update-catalogue, which has the words for it.
import { join } from 'node:path';
import { repository, withBundle } from './bundled.mjs';

await withBundle('scripts/update-catalogue.ts', async ({ updateCatalogue }) => {
  const args = process.argv.slice(2);
  process.exitCode = await updateCatalogue(args, {
    images: join(repository, 'images'),
    env: process.env,
    print: console.log,
  });
});

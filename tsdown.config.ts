import { cpSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { defineConfig } from 'tsdown';
import { bundledPackages } from './scripts/bundled-packages.ts';

const workspace = /^@virtainers\//;

/** Two artefacts: the supervisor, one file with everything in it; the command, with our packages in it and the libraries beside it. */
export default defineConfig([
  {
    name: 'runtime',
    entry: { runtime: 'packages/runtime/src/main.ts' },
    outDir: 'packages/cli/dist',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    dts: false,
    clean: false,
    minify: true,
    noExternal: /.*/,
    inlineOnly: false,
    outExtensions: () => ({ js: '.mjs' }),
  },
  {
    name: 'cli',
    entry: { main: 'packages/cli/src/main.ts' },
    outDir: 'packages/cli/dist',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    dts: false,
    clean: false,
    noExternal: workspace,
    inlineOnly: false,
    outExtensions: () => ({ js: '.mjs' }),
    onSuccess: () => {
      writeFileSync('packages/cli/dist/bundled.json', JSON.stringify(bundledPackages('packages/runtime')));
      for (const folder of ['templates', 'images', 'packages/runtime/bin', 'packages/builder/guest']) {
        cpSync(folder, `packages/cli/dist/${basename(folder)}`, { recursive: true });
      }
    },
  },
]);

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { generatedFiles } from '../../scripts/docs-pages.ts';

test.each(Object.entries(generatedFiles()))('%s says what the code says (npm run docs)', async (name, text) => {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url));
  expect(await readFile(path, 'utf8')).toBe(text);
});

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { definitionJsonSchema } from './json-schema.ts';

const IMAGES = join(import.meta.dirname, '../../../../images');
const schema = z.fromJSONSchema(definitionJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);

test('every definition that is shipped fits the schema for editors', async () => {
  const files = (await readdir(IMAGES)).filter((file) => file.endsWith('.yaml'));
  expect(files.length).toBeGreaterThan(40);
  for (const file of files) {
    const { error } = schema.safeParse(parse(await readFile(join(IMAGES, file), 'utf8')));
    expect(error && `${file}: ${error.message}`).toBeUndefined();
  }
});

test('it marks what a near miss has wrong', async () => {
  const text = await readFile(join(IMAGES, 'fedora-44.yaml'), 'utf8');
  for (const [right, wrong] of [
    ['resolved: never', 'resolved: yesterday'],
    ['user: fedora', 'user: Fedora Linux'],
    ['kind: clear', 'kind: cleared'],
    ['osinfo:', 'os-info:'],
  ] as const) {
    expect(text).toContain(right);
    expect(schema.safeParse(parse(text.replace(right, wrong))).success, wrong).toBe(false);
  }
});

test('it says what a field is for', () => {
  const text = JSON.stringify(definitionJsonSchema());
  for (const words of ['Who logs in.', 'Servers in the order in which they are tried.']) expect(text).toContain(words);
});

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { neededFeatures } from '../bake-features.ts';
import { loadDefinitions, loadFeatures, loadRootDefinition } from './load.ts';

const IMAGES = join(import.meta.dirname, '../../../../images');

test('the images that are shipped fit their schema', async () => {
  const names = (await loadDefinitions(IMAGES)).map((definition) => definition.name);
  expect(names).toEqual(
    expect.arrayContaining(['debian:11-packages', 'debian:12-packages', 'debian:13-packages', 'generic']),
  );
  expect(names).toEqual([...names].sort());
});

test('the roots are no images, and are found by name', async () => {
  for (const name of ['runtime', 'tools']) {
    expect((await loadRootDefinition(IMAGES, name)).packages.length).toBeGreaterThan(5);
  }
  await expect(loadRootDefinition(IMAGES, 'nothing')).rejects.toMatchObject({ code: 'DEFINITION_INVALID' });
});

test('the features are no images either, and one for every guest that needs it is there', async () => {
  const features = (await loadFeatures(IMAGES)).map(({ name }) => name);
  expect(features).toEqual(['aarch64', 'rbd', 'share', 'spice', 'uefi']);
  for (const arch of ['amd64', 'arm64'] as const) {
    for (const firmware of ['bios', 'uefi'] as const) {
      expect(features).toEqual(expect.arrayContaining(neededFeatures({ arch, firmware })));
    }
  }
  const images = (await loadDefinitions(IMAGES)).map(({ name }) => name);
  expect(images.filter((name) => features.includes(name))).toEqual([]);
});

test('a folder that is not there is told', async () => {
  await expect(loadDefinitions('/nonexistent')).rejects.toMatchObject({ code: 'DEFINITION_INVALID' });
});

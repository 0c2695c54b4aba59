import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EngineName } from '../helpers/engines.ts';
import { type Lan, makeLan } from '../helpers/lan.ts';
import { serveMirror } from '../helpers/mirror.ts';
import { pagesIn } from '../helpers/pages.ts';
import { follow, loadDebian, makeReader, type Reader } from '../helpers/reader.ts';

const FOLDER = 'docs/networking';

/** Pages by the engine that their reader has; those of Docker in the order of what they need, and of what they leave behind. */
const PAGES = {
  docker: ['plain', 'own-network', 'fixed-address', 'docker-inside'],
  // host-bridge moves the address of eth0, and comes last.
  'docker on a LAN': ['lan-range', 'lan-macvlan', 'host-bridge'],
  podman: ['kubernetes'],
  'podman-rootless': ['rootless'],
} as const;

const limits = { timeout: 1_200_000 };
const pathOf = (page: string) => `${FOLDER}/${page}.md`;

test('every page of the folder is read', async () => {
  expect(Object.values(PAGES).flat().map(pathOf).sort()).toEqual(await pagesIn(FOLDER));
});

function readerOf(name: EngineName): () => Reader {
  let reader: Reader | undefined;

  beforeAll(async () => {
    reader = await makeReader(name);
    await loadDebian(reader);
  });

  afterAll(() => reader?.engine.stop());

  return () => {
    if (!reader) throw new Error(`${name} is started by beforeAll, which has not run`);
    return reader;
  };
}

describe('docker', () => {
  const reader = readerOf('docker');
  let mirror: Awaited<ReturnType<typeof serveMirror>>;

  beforeAll(async () => {
    mirror = await serveMirror(reader().engine);
  });

  afterAll(() => mirror?.end());

  test('docs/networking.md', limits, () => follow(reader(), 'docs/networking.md'));
  test.for(PAGES.docker.map(pathOf))('%s', limits, (page) => follow(reader(), page));

  describe('on a LAN', () => {
    let lan: Lan;

    beforeAll(async () => {
      lan = await makeLan(reader().engine);
    });

    afterAll(() => lan?.end());

    test.for(PAGES['docker on a LAN'].map(pathOf))('%s', limits, (page) => follow(reader(), page, lan));
  });
});

describe.each(['podman', 'podman-rootless'] as const)('%s', (name) => {
  const reader = readerOf(name);

  test.for(PAGES[name].map(pathOf))('%s', limits, (page) => follow(reader(), page));
});

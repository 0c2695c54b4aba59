import { afterAll, beforeAll, test } from 'vitest';
import { serveMirror } from '../helpers/mirror.ts';
import { follow, makeReader, type Reader } from '../helpers/reader.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';

let reader: Reader;
/** Where docs/publishing.md sends images. */
let registry: Registry;
/** Where what they bake comes from. */
let mirror: Awaited<ReturnType<typeof serveMirror>>;

beforeAll(async () => {
  reader = await makeReader('docker');
  mirror = await serveMirror(reader.engine);
  const { spawn, address } = reader.engine;
  registry = await startRegistry({ listen: '0.0.0.0', port: 5000, spawn, host: address });
});

afterAll(async () => {
  await registry?.stop();
  await mirror?.end();
  await reader?.engine.stop();
});

// README comes first: it bakes and loads what the others run; the data folder of docs/persistence.md is published.
test.for([
  'README.md',
  'docs/baking.md',
  'docs/supply-chain.md',
  'docs/upgrading.md',
  'docs/architectures.md',
  'docs/firmware.md',
  'docs/running.md',
  'docs/sharing.md',
  'docs/disks.md',
  'docs/persistence.md',
  'docs/publishing.md',
  'docs/snapshots.md',
  'docs/stopping.md',
  'docs/cloud-init.md',
  'docs/console.md',
])('%s', { timeout: 1_200_000 }, (page) => follow(reader, page));

import { afterAll, beforeAll, test } from 'vitest';
import { follow, makeReader, type Reader } from '../helpers/reader.ts';

let reader: Reader;

beforeAll(async () => {
  reader = await makeReader('docker');
});

afterAll(() => reader?.engine.stop());

// README comes first: it bakes and loads what the others run.
test.for([
  'README.md',
  'docs/baking.md',
  'docs/supply-chain.md',
  'docs/upgrading.md',
  'docs/architectures.md',
  'docs/running.md',
  'docs/persistence.md',
  'docs/cloud-init.md',
  'docs/console.md',
])('%s', { timeout: 1_200_000 }, (page) => follow(reader, page));

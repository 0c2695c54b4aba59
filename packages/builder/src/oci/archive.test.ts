import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestBytes } from '@virtainers/core';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveSegments, type NamedImage, writeArchive } from './archive.ts';
import { assembleImage } from './image.ts';
import { digestedLayer, type Layer, type LayerPlan, planLayer } from './layer.ts';
import { openImage, readArchiveHead } from './read-layout.ts';
import { digestSegments, streamSegments } from './segments.ts';
import { indexTar } from './tar-index.ts';

let folder: string;
let plans: LayerPlan[];
let source: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-archive-'));
  source = join(folder, 'disk');
  const bytes = Buffer.alloc(3_000_001, 'disk ');
  await writeFile(source, bytes);
  const file = { path: source, size: bytes.length, digest: digestBytes(bytes) };
  plans = [
    await planLayer('root', [{ path: 'etc', mode: 0o755 }], 0),
    await planLayer('disk', [{ path: 'disk', mode: 0o444, content: [file] }], 0),
    await planLayer('app', [{ path: 'app', mode: 0o644, content: [Buffer.from('app')] }], 0),
  ];
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function name(layers: readonly Layer[]): NamedImage {
  const image = assembleImage(layers, { arch: 'amd64', created: 0, labels: { a: 'b' }, ports: [22, 80] });
  return { image, references: ['virtainers/x:1', 'me/y:2'], arch: 'amd64', mtime: 0 };
}

async function write(path: string, layers: readonly LayerPlan[]): Promise<string> {
  const handle = await open(path, 'w');
  try {
    const [named] = await writeArchive(handle, [{ plans: layers, name }]);
    return named?.image.digest ?? '';
  } finally {
    await handle.close();
  }
}

test('digests found out while writing and digests known before give the same bytes', async () => {
  const known = await Promise.all(plans.map(async (plan) => digestedLayer(plan, await digestSegments(plan.segments))));
  const [first, second] = [join(folder, 'first.tar'), join(folder, 'second.tar')];
  expect(await write(first, plans)).toBe(await write(second, known));
  expect((await readFile(first)).equals(await readFile(second))).toBe(true);
  const pieces: Buffer[] = [];
  for await (const piece of streamSegments(await archiveSegments([name(known)]))) pieces.push(Buffer.from(piece));
  expect((await readFile(first)).equals(Buffer.concat(pieces))).toBe(true);
});

test('what was written is read back, and its head says so from the first bytes', async () => {
  const path = join(folder, 'read.tar');
  const digest = await write(path, plans);
  const image = await openImage(path);
  expect(image).toMatchObject({ digest, reference: 'virtainers/x:1' });
  expect(image.config.config?.Labels).toEqual({ a: 'b' });
  expect(await readArchiveHead(path)).toEqual([{ digest, reference: 'virtainers/x:1' }]);
  const [, disk] = image.manifest.layers;
  if (!disk) throw new Error('no disk layer');
  const { offset, size } = await image.locate(disk);
  expect(digestBytes((await readFile(path)).subarray(offset, offset + size))).toBe(disk.digest);
});

test('Docker’s manifest names every reference and the layers, bottom first', async () => {
  const path = join(folder, 'docker.tar');
  await write(path, plans);
  const text = (await readFile(path)).toString('latin1');
  const [manifest] = JSON.parse(/\[\{"Config".*?\}\]/.exec(text)?.[0] ?? '[]');
  const image = await openImage(path);
  expect(manifest.RepoTags).toEqual(['virtainers/x:1', 'me/y:2']);
  expect(manifest.Layers).toEqual(image.manifest.layers.map(({ digest }) => `blobs/sha256/${digest.slice(7)}`));
});

test('several images: a layer that they share is in the archive once, whether its digest is known or not', async () => {
  const other = await planLayer('disk', [{ path: 'disk', mode: 0o444, content: [Buffer.from('another')] }], 0);
  const [root, disk, app] = plans as [LayerPlan, LayerPlan, LayerPlan];
  const rename = (layers: readonly Layer[]) => ({ ...name(layers), references: ['virtainers/z:1'] });
  const known = digestedLayer(app, await digestSegments(app.segments));
  const drafts = (last: LayerPlan) => [
    { plans: [root, disk, last], name },
    { plans: [root, other, last], name: rename },
  ];
  const paths = [join(folder, 'both.tar'), join(folder, 'both-again.tar')] as const;
  for (const [path, last] of [[paths[0], app] as const, [paths[1], known] as const]) {
    const handle = await open(path, 'w');
    await writeArchive(handle, drafts(last)).finally(() => handle.close());
  }
  expect((await readFile(paths[0])).equals(await readFile(paths[1]))).toBe(true);
  const head = await readArchiveHead(paths[0]);
  expect(head?.map(({ reference }) => reference)).toEqual(['virtainers/x:1', 'virtainers/z:1']);
  const members = await indexTar(paths[0]);
  expect([...members.keys()].filter((path) => path.startsWith('blobs/'))).toHaveLength(2 * 2 + 4);
  for (const [path, { offset, size }] of members) {
    if (!path.startsWith('blobs/')) continue;
    expect(`blobs/sha256/${digestBytes((await readFile(paths[0])).subarray(offset, offset + size)).slice(7)}`).toBe(
      path,
    );
  }
});

test('a disk that changed meanwhile is noticed', async () => {
  await writeFile(source, Buffer.alloc(3_000_001, 'kids '));
  await expect(write(join(folder, 'changed.tar'), plans)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await truncate(source, 1000);
  await expect(write(join(folder, 'changed.tar'), plans)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await writeFile(source, Buffer.alloc(9_000_000, 'disk '));
  await expect(write(join(folder, 'changed.tar'), plans)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await writeFile(source, Buffer.alloc(3_000_001, 'disk '));
});

test('an archive with any bytes changed is read as before or refused by name, never misread', async () => {
  const path = join(folder, 'mutated.tar');
  const digest = await write(path, plans);
  const original = await readFile(path);
  const mutation = fc.record({ at: fc.nat(12_000), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 6 }), async (mutations) => {
      const bytes = Buffer.from(original);
      for (const { at, byte } of mutations) bytes[at] = byte;
      await writeFile(path, bytes);
      const found = await openImage(path).catch((error: { code?: string }) => error.code);
      if (typeof found === 'string') expect(['ARCHIVE_INVALID', 'DIGEST_MISMATCH']).toContain(found);
      else expect(found?.digest).toBe(digest);
      await readArchiveHead(path);
    }),
    { numRuns: 150 },
  );
});

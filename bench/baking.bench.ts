import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { type Engine, rootfulPodman } from '../test/helpers/engines.ts';
import { peakMemory } from '../test/helpers/peak-memory.ts';
import { exec, requireTool } from '../test/helpers/process.ts';
import { tempFolder } from '../test/helpers/temp-folder.ts';
import { startVendorServer } from '../test/helpers/vendor-server.ts';
import { virtainers } from '../test/helpers/virtainer.ts';
import { printFigures, printRatio, takeTurns, timed } from './figures.ts';

const IMAGE = 'debian:13-packages';
let podman: Engine;

beforeAll(async () => {
  await requireTool('tar');
  podman = await rootfulPodman();
});

afterAll(() => podman?.stop());

test("a bake with its cache warm, and one whose output is there already, against the engine's build and save", async () => {
  const folder = await tempFolder('baking');
  const [archive, saved] = [join(folder, 'image.tar'), join(folder, 'saved.tar')];
  const bake = () => virtainers('bake', IMAGE, '--output', archive);
  await bake();
  const [context = ''] = await buildContexts(archive, folder);
  const ways = {
    warm: async () => {
      await rm(archive);
      return timed(bake);
    },
    unchanged: () => timed(bake),
    engine: async () => {
      await rm(saved, { force: true });
      return timed(async () => {
        await podman.command('build', '--quiet', '--no-cache', '--tag', 'localhost/same:1', context);
        await podman.command('save', '--quiet', '--format', 'oci-archive', '--output', saved, 'localhost/same:1');
      });
    },
  };
  const { warm, unchanged, engine } = await takeTurns(['warm', 'unchanged', 'engine'], (way) => ways[way]());
  console.log('\nbaking');
  printFigures('bake, warm cache', warm, 's');
  printFigures('bake, nothing changed', unchanged, 's');
  printFigures('podman build + podman save', engine, 's');
  printRatio('podman build + podman save', engine, 'times a bake', warm);
});

test("five images in one archive, against one, and against the engine's builds and save", async () => {
  const folder = await tempFolder('baking-five');
  const disks = await otherDisks(folder);
  const [one, five] = [join(folder, 'one.tar'), join(folder, 'five.tar')];
  const bake = (output: string, ...more: string[]) => virtainers('bake', IMAGE, ...more, '--output', output);
  await bake(five, ...disks);
  const contexts = await buildContexts(five, folder);
  const files = { one, five, engine: join(folder, 'saved.tar') };
  const ways = {
    one: () => bake(one),
    five: () => bake(five, ...disks),
    engine: () => buildAll(contexts, files.engine),
  };
  const figures = await takeTurns(['one', 'five', 'engine'], async (way) => {
    await rm(files[way], { force: true });
    return timed(ways[way]);
  });
  const { one: single, five: all, engine } = figures;
  const [small, large] = [(await stat(one)).size, (await stat(five)).size];
  printFigures('bake of one image, warm cache', single, 's');
  printRatio('bake of five', all, 'times a bake of one', single);
  printRatio('five podman build + podman save', engine, 'times a bake of five', all);
  console.log(`each further image: ${((large - small) / 4 / 1024 ** 2).toFixed(2)} MiB in the archive`);
});

/** Disks of 1 MiB, so that what an image costs beside its disk can be seen. */
async function otherDisks(folder: string): Promise<string[]> {
  const disks = [1, 2, 3, 4].map((number) => join(folder, `disk-${number}.raw`));
  for (const [index, path] of disks.entries()) {
    const disk = Buffer.alloc(1024 ** 2, index + 1);
    disk.writeUInt16LE(0xaa55, 510);
    await writeFile(path, disk);
  }
  return disks;
}

test('the memory of a bake, by the size of its disk', async () => {
  await requireTool('qemu-img');
  const folder = await tempFolder('memory');
  const [disk, url] = [join(folder, 'disk.qcow2'), 'http://vendor.example/disk.qcow2'];
  const root = join(folder, 'root.tar');
  await virtainers('bake', 'generic', '--output', root);
  const server = await startVendorServer({ files: { [url]: { path: disk } } });
  console.log('\nmemory of a bake');
  for (const size of ['128M', '2G']) {
    await rm(disk, { force: true });
    await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'preallocation=metadata', disk, size]);
    for (const source of [disk, url]) {
      const more = ['--allow-unverified', '--runtime', root, '--cache-dir', join(folder, 'cache')];
      const peak = await peakMemory(['bake', source, ...more, '--output', join(folder, 'image.tar')], server.env);
      console.log(`${size} by ${source === url ? 'URL' : 'path'}: ${Math.round(peak / 1e6)} MB`);
      await rm(join(folder, 'cache'), { recursive: true });
    }
  }
  await server.end();
});

async function buildAll(contexts: readonly string[], saved: string): Promise<void> {
  const names = contexts.map((_, number) => `localhost/same:${number}`);
  for (const [number, context] of contexts.entries()) {
    await podman.command('build', '--quiet', '--no-cache', '--tag', names[number] ?? '', context);
  }
  await podman.command('save', '--quiet', '--multi-image-archive', '--output', saved, ...names);
}

/** The layers of our archive's images as build contexts, so that both sides pack the same bytes. */
async function buildContexts(archive: string, folder: string): Promise<string[]> {
  const layout = join(folder, 'layout');
  await mkdir(layout);
  await exec('tar', ['-xf', archive, '-C', layout]);
  const { manifests } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const digests = (manifests as { digest: string }[]).map(({ digest }) => digest);
  return Promise.all(digests.map((digest, number) => buildContext(layout, digest, join(folder, `context-${number}`))));
}

async function buildContext(layout: string, manifest: string, context: string): Promise<string> {
  await mkdir(context);
  const blob = (digest: string) => join(layout, 'blobs', ...digest.split(':'));
  const { layers } = JSON.parse(await readFile(blob(manifest), 'utf8'));
  const lines = ['FROM scratch'];
  for (const [position, { digest }] of layers.entries()) {
    await link(blob(digest), join(context, `${position}.tar`));
    lines.push(`ADD ${position}.tar /`);
  }
  await writeFile(join(context, 'Containerfile'), `${lines.join('\n')}\n`);
  return context;
}

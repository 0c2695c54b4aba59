import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { type Engine, rootfulPodman } from '../test/helpers/engines.ts';
import { exec, requireTool } from '../test/helpers/process.ts';
import { tempFolder } from '../test/helpers/temp-folder.ts';
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
  const context = await buildContext(archive, folder);
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

/** The layers of our archive as a build context, so that both sides pack the same bytes. */
async function buildContext(archive: string, folder: string): Promise<string> {
  const [layout, context] = [join(folder, 'layout'), join(folder, 'context')];
  for (const each of [layout, context]) await mkdir(each);
  await exec('tar', ['-xf', archive, '-C', layout]);
  const blob = (digest: string) => join(layout, 'blobs', ...digest.split(':'));
  const { manifests } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const { layers } = JSON.parse(await readFile(blob(manifests[0].digest), 'utf8'));
  const lines = ['FROM scratch'];
  for (const [position, { digest }] of layers.entries()) {
    await exec('cp', [blob(digest), join(context, `${position}.tar`)]);
    lines.push(`ADD ${position}.tar /`);
  }
  await writeFile(join(context, 'Containerfile'), `${lines.join('\n')}\n`);
  return context;
}

import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { repository } from '../helpers/folders.ts';
import { findViolations, type SourceFile } from './rules.ts';

const FOLDERS = ['packages', 'test', 'bench', 'scripts'];

test('the sources keep the rules of the house', async () => {
  const files = await readSources();
  expect(files.length).toBeGreaterThan(50);
  expect(findViolations(files)).toEqual([]);
});

const planted: readonly (readonly [rule: string, path: string, text: string])[] = [
  ['core imports nobody', 'packages/core/src/a.ts', "import { bake } from '@virtainers/builder';"],
  ['builder does not import host', 'packages/builder/src/a.ts', "export * from '@virtainers/host';"],
  ['host does not import cli', 'packages/host/src/a.ts', "await import('@virtainers/cli');"],
  ['runtime imports core alone', 'packages/runtime/src/a.ts', "import type { Bake } from '@virtainers/builder';"],
  ['no way around by a path', 'packages/runtime/src/a.ts', "import { x } from '../../host/src/run.ts';"],
  ['siblings do not know each other', 'packages/runtime/src/disk/a.ts', "import { x } from '../network/nat.ts';"],
  ['siblings do not know lifecycle', 'packages/runtime/src/domain/a.ts', "import { x } from '../lifecycle/run.ts';"],
  ['sources know no tar', 'packages/builder/src/source/a.ts', "import { pack } from 'tar-stream';"],
  ['sources know no image', 'packages/builder/src/source/a.ts', "import { x } from '../oci/layer.ts';"],
  ['oci knows no distro', 'packages/builder/src/oci/a.ts', "import { x } from '../definition/schema.ts';"],
  ['one file starts processes', 'packages/host/src/a.ts', "import { execa } from 'execa';"],
  ['tests start processes by helpers', 'test/e2e/a.test.ts', "import { spawn } from 'node:child_process';"],
  ['one file knows xml2js', 'packages/runtime/src/domain/a.ts', "import { Parser } from 'xml2js';"],
  ['main.ts alone reads the environment', 'packages/cli/src/a.ts', 'const home = process.env.HOME;'],
  ['main.ts alone exits', 'packages/runtime/src/a.ts', 'process.exit(1);'],
  ['no pause', 'packages/runtime/src/a.ts', "import { setTimeout as delay } from 'node:timers/promises';"],
  ['no pause by hand', 'test/e2e/a.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 1000));'],
  ['no sleep', 'test/e2e/a.test.ts', "await exec('sleep', ['5']);"],
  ['no mocks', 'packages/host/src/a.test.ts', "vi.mock('./run.ts');"],
  ['no long files', 'packages/host/src/a.ts', 'a;\n'.repeat(401)],
];

test.each(planted)('%s: a breach is found', (_rule, path, text) => {
  expect(findViolations([{ path, text }])).toHaveLength(1);
});

test.each([
  ['packages/cli/src/a.ts', "import { bake } from '@virtainers/builder';"],
  ['packages/runtime/src/lifecycle/a.ts', "import { x } from '../disk/open.ts';"],
  ['packages/runtime/src/disk/a.ts', "import { x } from './b.ts';"],
  ['packages/cli/src/main.ts', 'process.exit(await main(process.argv));'],
  ['packages/core/src/exec.ts', "import { execa } from 'execa';"],
  ['packages/core/src/a.ts', '// process.env is not ours\n/* vi.mockery */'],
])('%s may: %s', (path, text) => {
  expect(findViolations([{ path, text }])).toEqual([]);
});

async function readSources(): Promise<SourceFile[]> {
  const listings = await Promise.all(FOLDERS.map(listSources));
  return Promise.all(
    listings.flat().map(async (path) => ({ path, text: await readFile(`${repository}/${path}`, 'utf8') })),
  );
}

async function listSources(folder: string): Promise<string[]> {
  const names = await readdir(`${repository}/${folder}`, { recursive: true });
  const paths = names.map((name) => `${folder}/${name}`).filter((path) => !/node_modules|\/dist\//.test(path));
  // This file plants breaches; everything else counts.
  return paths.filter((path) => path.endsWith('.ts') && path !== 'test/architecture/imports.test.ts');
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { repository } from '../helpers/folders.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

let folder: string;
let packed: { filename: string; size: number; files: { path: string }[] };

beforeAll(async () => {
  await requireTool('npm');
  folder = await tempFolder('package');
  const pack = ['pack', '--json', '--workspace', 'packages/cli', '--pack-destination', folder];
  const { stdout } = await exec('npm', pack, { cwd: repository });
  [packed] = JSON.parse(stdout);
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  await exec('npm', ['install', '--no-audit', '--no-fund', join(folder, packed.filename)], { cwd: folder });
});

async function virtainers(...args: string[]) {
  const env = { XDG_CACHE_HOME: join(folder, 'cache') };
  return exec(join(folder, 'node_modules', '.bin', 'virtainers'), args, { cwd: folder, env, allowFailure: true });
}

test('what is packed is what a bake needs, and no source', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const path of ['bin/virtainers.mjs', 'dist/main.mjs', 'dist/runtime.mjs', 'dist/images/runtime.yaml']) {
    expect(paths).toContain(path);
  }
  for (const folder of ['dist/templates/', 'dist/bin/', 'dist/guest/']) {
    expect(paths.some((path) => path.startsWith(folder))).toBe(true);
  }
  expect(paths.filter((path) => path.endsWith('.ts'))).toEqual([]);
});

test('it says its version', async () => {
  const { version } = JSON.parse(await readFile(join(repository, 'packages/cli/package.json'), 'utf8'));
  expect((await virtainers('--version')).stdout).toBe(`${version}\n`);
});

test('it lists the catalogue that came along', async () => {
  const { stdout } = await virtainers('catalog', '--json');
  const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
  expect(names).toContain('debian:13-packages');
});

test('it says what this machine can do', async () => {
  const { stdout } = await virtainers('doctor', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ canRun: expect.any(Boolean), checks: expect.any(Array) });
});

test('a mistake ends with 64, its explanation on stderr', async () => {
  const { exitCode, stdout, stderr } = await virtainers('bake', 'debian:13-packages');
  expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: '' });
  expect(stderr).toContain('--load docker');
});

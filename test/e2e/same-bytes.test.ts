import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cacheHome, repository } from '../helpers/folders.ts';
import { exec } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { bakedImage } from '../helpers/virtainer.ts';

/**
 * The same inputs bake to the same bytes: everything is made twice, root and disk included, the second time in another folder,
 * with an empty cache, another host name, time zone and umask, from files that were written in another order.
 */
test('debian:13-packages bakes to the same archive elsewhere', { timeout: 1_800_000 }, async () => {
  const { archive } = await bakedImage('debian:13-packages');
  const elsewhere = await tempFolder('elsewhere it is');
  const command = join(elsewhere, 'cli');
  await copyBackwards(join(repository, 'packages/cli'), command);
  await symlink(join(repository, 'node_modules'), join(elsewhere, 'node_modules'));
  const output = join(elsewhere, 'image.tar');
  const locks = join(cacheHome, 'virtainers/locks');
  const words = [
    'bake',
    'debian:13-packages',
    '--output',
    output,
    '--lock-dir',
    locks,
    '--cache-dir',
    join(elsewhere, 'cache'),
  ];
  const script = 'umask 077; hostname elsewhere; exec "$@"';
  await exec(
    'unshare',
    ['--uts', 'sh', '-c', script, 'sh', process.execPath, join(command, 'bin/virtainers.mjs'), ...words],
    {
      env: { TZ: 'Asia/Kathmandu', LANG: 'C' },
    },
  );
  expect((await exec('sha256sum', [output])).stdout.slice(0, 64)).toBe(
    (await exec('sha256sum', [archive])).stdout.slice(0, 64),
  );
});

async function copyBackwards(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const entries = await readdir(from, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? 1 : -1))) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory() && entry.name !== 'node_modules') await copyBackwards(source, target);
    else if (entry.isFile()) await cp(source, target);
  }
}

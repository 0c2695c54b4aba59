import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { readPartitions } from '../../packages/builder/src/diff/partitions.ts';
import { freeSpace } from '../../packages/builder/src/scrub/ext4-edit.ts';
import { outsideOf } from '../../packages/builder/src/scrub/outside.ts';
import { zeroStretches } from '../../packages/builder/src/scrub/stretches.ts';
import { readSuperblock } from '../../packages/builder/src/scrub/superblock.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext } from './oci-samples.ts';

const MIB = 1024 ** 2;
let ctx: BuildContext;
let folder: string;

beforeAll(async () => {
  await requireTool('sfdisk', 'mke2fs', 'dumpe2fs', 'debugfs');
  folder = await tempFolder('outside');
  ctx = await makeContext(folder);
});

/** A disk full of old bytes, with a new table of partitions. */
async function makeDisk(name: string, table: string, size = 32 * MIB): Promise<string> {
  const disk = join(folder, name);
  await writeFile(disk, Buffer.alloc(size, 'MARKER'));
  await exec('sfdisk', ['--quiet', '--wipe', 'never', disk], { input: table });
  return disk;
}

async function clean(disk: string, size: number) {
  const dump = async () => (await exec('sfdisk', ['--dump', disk])).stdout;
  const before = await dump();
  const outside = await outsideOf(disk, size, await readPartitions(ctx, disk, size));
  await zeroStretches(disk, outside);
  expect(await dump()).toBe(before);
  expect((await exec('sfdisk', ['--verify', disk])).stderr).toBe('');
  return outside.map(({ start, length }) => [start / MIB, (start + length) / MIB]);
}

test('what is outside the partitions of a GPT, before its backup', async () => {
  const disk = await makeDisk('gpt', 'label: gpt\nstart=8192, size=2048\nstart=20480, size=4096\n');
  const end = 32 - (33 * 512) / MIB;
  expect(await clean(disk, 32 * MIB)).toEqual([
    [1, 4],
    [5, 10],
    [12, end],
  ]);
});

test('the backup of a disk that was grown lies where it did', async () => {
  const disk = await makeDisk('grown', 'label: gpt\nstart=2048, size=2048\n');
  await truncate(disk, 64 * MIB);
  const outside = await outsideOf(disk, 64 * MIB, await readPartitions(ctx, disk, 64 * MIB));
  expect(outside.map(({ start }) => start / MIB)).toEqual([2, 32]);
});

test('what is in a container of an MBR but in no partition, without the tables there', async () => {
  const rows = [
    'start=2048, size=2048',
    'start=6144, size=40960, type=5',
    'start=8192, size=2048',
    'start=14336, size=2048',
  ];
  const disk = await makeDisk('mbr', `label: dos\n${rows.join('\n')}\n`);
  const outside = await clean(disk, 32 * MIB);
  const table = 512 / MIB;
  expect(outside.slice(0, 2)).toEqual([
    [2, 3],
    [3 + table, 4],
  ]);
  expect(outside.at(-1)).toEqual([8, 32]);
  // The second one's table is right behind the first, or at its own start.
  expect(outside.flatMap(([from = 0, to = 0]) => to - from).reduce((sum, each) => sum + each, 0)).toBeCloseTo(
    28 - 2 * table,
  );
});

test('a disk that is one file system has no outside', async () => {
  const disk = join(folder, 'whole');
  await writeFile(disk, '');
  await truncate(disk, 8 * MIB);
  await exec('mke2fs', ['-q', '-t', 'ext4', disk]);
  expect(await outsideOf(disk, 8 * MIB, await readPartitions(ctx, disk, 8 * MIB))).toEqual([]);
});

test('free clusters are free to their ends', async () => {
  const disk = join(folder, 'clusters');
  await writeFile(disk, Buffer.alloc(16 * MIB, 'MARKER'));
  await exec('mke2fs', ['-q', '-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '65536', disk]);
  const superblock = await readSuperblock(disk, 0);
  expect(superblock.clusterSize).toBe(65_536);
  const free = await freeSpace(ctx, { disk, start: 0, superblock, scratch: folder });
  expect(free.at(-1)).toMatchObject({ start: expect.any(Number) });
  const last = free.at(-1);
  expect((last?.start ?? 0) + (last?.length ?? 0)).toBe(superblock.size);
});

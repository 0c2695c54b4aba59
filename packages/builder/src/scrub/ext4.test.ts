import { expect, test } from 'vitest';
import { freeSpace, parseBlocks, parseFree } from './ext4-edit.ts';
import { mountPoint, parseFstab } from './fstab.ts';
import { intersect, union } from './stretches.ts';

test("where a file's content lies, without its tables and first blocks", () => {
  expect(parseBlocks('EXTENTS:\n(0-9):100-109, (ETB0):7, (10-11[u]):50-51\n', 1)).toEqual([
    [50, 2],
    [101, 9],
  ]);
  expect(parseBlocks('BLOCKS:\n(0-11):20-31, (IND):32, (12):33\nTOTAL: 14\n', 0)).toEqual([
    [20, 12],
    [33, 1],
  ]);
});

test('free blocks, group by group', () => {
  const text = 'Free blocks:              50\n  Free blocks: 10-12, 20\n  Free blocks: \n  Free blocks: 30-31\n';
  expect(parseFree(text)).toEqual([
    [10, 12],
    [20, 20],
    [30, 31],
  ]);
});

test('a dumpe2fs that does not say what is free is no full disk', async () => {
  const text = 'Freie Blöcke:             50\n\n\nGruppe 0: (Blöcke 0-99)\n  Freie Blöcke: 10-12, 20\n';
  const exec = async () => ({ stdout: text, stderr: '', exitCode: 0 });
  const superblock = { uuid: '', label: '', writtenAt: 1, blockSize: 4096, size: 409600, dirty: false };
  const free = freeSpace({ exec, signal: undefined }, { disk: '/disk', start: 0, superblock, scratch: '/nowhere' });
  await expect(free).rejects.toMatchObject({
    code: 'COMMAND_FAILED',
    message: expect.stringContaining('dumpe2fs /disk: it did not say which blocks are free'),
  });
  expect(parseFree('  Free blocks: \n')).toEqual([]);
});

test('what is in both of two lists of stretches', () => {
  const first = [
    { start: 0, length: 10 },
    { start: 20, length: 10 },
  ];
  const second = [
    { start: 5, length: 20 },
    { start: 29, length: 5 },
  ];
  expect(intersect(first, second)).toEqual([
    { start: 5, length: 5 },
    { start: 20, length: 5 },
    { start: 29, length: 1 },
  ]);
});

test('fstab tells where a partition is mounted, however it calls it', () => {
  const names = { name: '3', uuid: 'aa-bb', label: 'data', partition: 'CC-01' };
  const point = (spec: string) => mountPoint(parseFstab(`# a note\n\n${spec} /var ext4 defaults 0 2\n`), names);
  const fitting = [
    'UUID=aa-bb',
    'LABEL="data"',
    'PARTUUID=cc-01',
    '/dev/vda3',
    '/dev/nvme0n1p3',
    '/dev/disk/by-uuid/aa-bb',
  ];
  for (const spec of fitting) expect(point(spec), spec).toBe('/var');
  for (const spec of ['UUID=aa-bc', 'LABEL=', '/dev/vda1', '/dev/mapper/vg-var']) {
    expect(point(spec), spec).toBeUndefined();
  }
});

test('what is in any of some lists of stretches', () => {
  const lists = [
    [{ start: 20, length: 5 }],
    [
      { start: 0, length: 10 },
      { start: 40, length: 1 },
    ],
    [
      { start: 5, length: 15 },
      { start: 21, length: 2 },
    ],
  ];
  expect(union(...lists)).toEqual([
    { start: 0, length: 25 },
    { start: 40, length: 1 },
  ]);
  expect(union()).toEqual([]);
});

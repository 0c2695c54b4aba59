import { expect, test } from 'vitest';
import { freeSpace, parseBlocks, parseFree } from './ext4-edit.ts';
import { mountPoint, parseFstab, parseMounts, pointByLooks, pointOfType } from './fstab.ts';
import { intersect, union } from './stretches.ts';

test("where a file's content lies, without its tables and first blocks", () => {
  expect(parseBlocks('EXTENTS:\n(0-9):100-109, (ETB0):7, (10-11[u]):50-51\n', 10, 10)).toEqual([
    { start: 500, length: 20 },
    { start: 1010, length: 90 },
  ]);
  expect(parseBlocks('BLOCKS:\n(0-11):20-31, (IND):32, (12):33\nTOTAL: 14\n', 1, 0)).toEqual([
    { start: 20, length: 12 },
    { start: 33, length: 1 },
  ]);
});

test("a swap's first page is passed over, wherever it and the rest lie", () => {
  const swap = 'EXTENTS:\n(0):1837, (1-20):1817-1836\n';
  expect(parseBlocks(swap, 4096, 4096)).toEqual([{ start: 1817 * 4096, length: 20 * 4096 }]);
  expect(parseBlocks('EXTENTS:\n(0-2):90-92, (3-9):10-16\n', 1024, 4096)).toEqual([
    { start: 11 * 1024, length: 6 * 1024 },
  ]);
  expect(parseBlocks('EXTENTS:\n(0-1):5-6\n', 65536, 4096)).toEqual([
    { start: 5 * 65536 + 4096, length: 2 * 65536 - 4096 },
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
  const superblock = {
    uuid: '',
    label: '',
    writtenAt: 1,
    blockSize: 4096,
    clusterSize: 4096,
    size: 409600,
    dirty: false,
  };
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
  const names = { name: '3', uuid: 'aa-bb', label: 'data', partuuid: 'CC-01', partlabel: 'my var' };
  const point = (spec: string) => mountPoint(parseFstab(`# a note\n\n${spec} /var ext4 defaults 0 2\n`), names);
  const fitting = [
    'UUID=aa-bb',
    'LABEL="data"',
    'PARTUUID=cc-01',
    'PARTLABEL=my\\040var',
    '/dev/disk/by-partlabel/my\\x20var',
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

test('a unit of systemd tells it too, and so does the type of a partition', () => {
  const unit = '[Mount]\nWhat=/dev/disk/by-partlabel/vars\nWhere=/var\nType=ext4\n';
  const mounts = parseMounts('/etc/systemd/system/var.mount', unit);
  expect(mountPoint(mounts, { name: '3', uuid: 'a', label: '', partlabel: 'vars' })).toBe('/var');
  expect(parseMounts('/etc/systemd/system/var-swap.swap', '[Swap]\nWhat=/var/swap\n')).toEqual([
    { spec: '/var/swap', point: 'none', type: 'swap' },
  ]);
  expect(pointOfType('4d21b016-b534-45c2-a9fb-5c16e091fd2d')).toBe('/var');
  expect(pointOfType('0FC63DAF-8483-4772-8E79-3D69D8477DE4')).toBeUndefined();
});

test('what nothing names is known by what is in it', () => {
  expect(pointByLooks(['/etc', '/usr', '/lib', '/var/log'])).toBe('/');
  expect(pointByLooks(['/lib', '/lib/dpkg', '/log', '/cache'])).toBe('/var');
  expect(pointByLooks(['/journal', '/auth.log', '/wtmp'])).toBe('/var/log');
  expect(pointByLooks(['/anna', '/anna/.bashrc'])).toBe('/home');
  expect(pointByLooks(['/grub', '/vmlinuz'])).toBe('/boot');
  // A program's own logs are no traces of the machine.
  expect(pointByLooks(['/data', '/log', '/log/app.log'])).toBeUndefined();
});

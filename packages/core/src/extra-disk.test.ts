import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempFolder } from '../../../test/helpers/temp-folder.ts';
import { diskInUse } from './disk-lock.ts';
import { diskNameOf, diskSerial, isDiskName, readExtraDisk } from './extra-disk.ts';

test('disk files are known by how they end', () => {
  expect(['a.qcow2', 'b.raw', 'c.d.img', 'd.vmdk', 'e', '.img'].map(diskNameOf)).toEqual([
    ...['a', 'b', 'c.d', undefined, undefined, undefined],
  ]);
});

test('a serial is the name where it fits, else as much of it and its digest', () => {
  expect(['data', 'exactly-20-letters-x', 'exactly-21-letters-xx', 'ü b', '_x', '-'].map(diskSerial)).toEqual([
    ...['data', 'exactly-20-letters-x', 'exactly-21--a2cf76ba', 'b-00044a19', 'x-a01e47cb', 'disk-3973e022'],
  ]);
});

test('every serial is one that udev and virtio take as it is, and the same name has always the same', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (name) => {
      expect(isDiskName(diskSerial(name))).toBe(true);
      expect(diskSerial(name)).toBe(diskSerial(name));
    }),
  );
});

test.for<[string, string, number]>([
  ['LUKS', 'LUKS\xba\xbe', 4096],
  ['a tar.gz', '\x1f\x8b', 512],
  ['nothing', '', 1024],
])('a raw disk may begin with anything: %s', async ([, text, size]) => {
  const path = join(await tempFolder('extra-disk'), 'x.raw');
  await writeFile(path, text, 'latin1');
  await truncate(path, size);
  expect(await readExtraDisk(path)).toEqual({ format: 'raw', virtualSize: size });
});

test.for(['x.img', 'x.raw'])('%s is raw, whatever its guest writes on it', async (name) => {
  const path = join(await tempFolder('extra-disk'), name);
  const head = Buffer.alloc(4096);
  await writeFile(path, head);
  expect(await readExtraDisk(path)).toEqual({ format: 'raw', virtualSize: 4096 });
  head.write('QFI\xfb\0\0\0\x03', 'latin1');
  head.writeUInt32BE(16, 20);
  head.writeBigUInt64BE(1n << 30n, 24);
  head.writeUInt32BE(104, 100);
  await writeFile(path, head);
  await expect(readExtraDisk(path)).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    message: expect.stringContaining('it is qcow2, whatever its name says'),
    hint: expect.stringContaining('x.qcow2'),
  });
});

test("QEMU's words for a lock name the file", () => {
  const said =
    'error: internal error: -blockdev {}: Failed to get "write" lock\nIs another process using the image [/volumes/a b.raw]?';
  expect(diskInUse(said)).toMatchObject({ code: 'DATA_IN_USE', message: expect.stringContaining('/volumes/a b.raw:') });
  expect(diskInUse('Failed to get shared "consistent read" lock', 'x')?.message).toContain('opening x:');
  expect(diskInUse('No space left on device')).toBeUndefined();
});

import { expect, test } from 'vitest';
import { espConfig, grubConfig, patchBootSector, patchCoreImage } from './grub.ts';

function bootImage(): Buffer {
  const image = Buffer.alloc(512, 0xaa);
  image.writeUInt16LE(0xaa55, 510);
  return image;
}

function coreImage(sectors: number): Buffer {
  const image = Buffer.alloc(sectors * 512 - 7, 0xcc);
  image.writeBigUInt64LE(2n, 500);
  return image;
}

test("the boot sector gets GRUB's code and keeps the disk's signature and table", () => {
  const sector = Buffer.alloc(512, 0x11);
  const patched = patchBootSector(bootImage(), sector, 2048);
  expect(patched.readBigUInt64LE(0x5c)).toBe(2048n);
  expect(patched.readUInt16LE(0x66)).toBe(0x9090);
  expect(patched[0]).toBe(0xaa);
  expect(patched.subarray(440).equals(sector.subarray(440))).toBe(true);
});

test('core.img is told that its second sector follows the first', () => {
  const patched = patchCoreImage(coreImage(10), { start: 2048, size: 2048 });
  expect(patched.readBigUInt64LE(500)).toBe(2049n);
  expect(patched.length).toBe(5120);
});

test('images of another make, or too large ones, are refused', () => {
  const refused = expect.objectContaining({ code: 'ROOT_INVALID' });
  expect(() => patchBootSector(Buffer.alloc(512), Buffer.alloc(512), 1)).toThrowError(refused);
  expect(() => patchCoreImage(Buffer.alloc(1024), { start: 1, size: 9 })).toThrowError(refused);
  expect(() => patchCoreImage(coreImage(10), { start: 1, size: 9 })).toThrowError(refused);
});

test('the menu boots what the links in / point to, and a title cannot end its quotes', () => {
  const config = grubConfig('a "b" $c', 'uuid-1', ['console=ttyS0'], { grubSerial: true });
  expect(config).toContain('menuentry "a b c" {');
  expect(config).toContain('linux /vmlinuz root=UUID=uuid-1 ro console=ttyS0');
  expect(config).toContain('set timeout=0');
});

test("UEFI's own console is the serial one, which GRUB needs not be told", () => {
  expect(grubConfig('a', 'uuid-1', ['console=ttyAMA0'], { grubSerial: false })).not.toContain('serial');
});

test("Debian's GRUB for UEFI goes on where the root file system is", () => {
  expect(espConfig('uuid-1')).toBe(
    'search.fs_uuid uuid-1 root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n',
  );
});

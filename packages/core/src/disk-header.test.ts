import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDiskHeader } from './disk-header.ts';
import { VirtainersError } from './errors.ts';

const HEAD = 65536;

function disk(write: (head: Buffer) => void, size = HEAD): Buffer {
  const head = Buffer.alloc(size);
  write(head);
  return head;
}

const qcow2 = (change: (head: Buffer) => void = () => undefined) =>
  disk((head) => {
    head.write('QFI\xfb', 'latin1');
    head.writeUInt32BE(3, 4);
    head.writeUInt32BE(16, 20);
    head.writeBigUInt64BE(1n << 30n, 24);
    head.writeUInt32BE(104, 100);
    change(head);
  });

const vmdk = (descriptor: string, capacity = 2048n) =>
  disk((head) => {
    head.write('KDMV', 'latin1');
    head.writeBigUInt64LE(capacity, 12);
    head.writeBigUInt64LE(1n, 28);
    head.writeBigUInt64LE(20n, 36);
    head.write(descriptor, 512);
  });

const vdi = (change: (head: Buffer) => void = () => undefined) =>
  disk((head) => {
    head.writeUInt32LE(0xbeda107f, 64);
    head.writeBigUInt64LE(1048576n, 368);
    change(head);
  });

const read = (head: Buffer, size = head.length) => parseDiskHeader(head, size, 'x');

test('formats are known by their first bytes', () => {
  expect(read(qcow2())).toEqual({ format: 'qcow2', virtualSize: 1n << 30n });
  expect(read(vmdk('parentCID=ffffffff\n'))).toEqual({ format: 'vmdk', virtualSize: 1048576n });
  expect(read(vdi())).toEqual({ format: 'vdi', virtualSize: 1048576n });
  expect(read(disk((head) => head.write('vhdxfile')))).toEqual({ format: 'vhdx', virtualSize: undefined });
  const raw = disk((head) => head.writeUInt16LE(0xaa55, 510), 1024);
  expect(read(raw, 1048576)).toEqual({ format: 'raw', virtualSize: 1048576n });
});

test.for([
  [
    'a backing file',
    qcow2((h) => h.writeBigUInt64BE(200n, 8) && h.writeUInt32BE(11, 16) && h.write('/etc/shadow', 200)),
  ],
  ['an external data file', qcow2((h) => h.writeBigUInt64BE(4n, 72))],
  ['encryption', qcow2((h) => h.writeUInt32BE(2, 32))],
  ['corruption', qcow2((h) => h.writeBigUInt64BE(2n, 72))],
  ['an unknown feature', qcow2((h) => h.writeBigUInt64BE(1n << 40n, 72))],
  ['qcow2 of version 1', qcow2((h) => h.writeUInt32BE(1, 4))],
  ['a parent of a VMDK', vmdk('parentCID=12345678\n')],
  ["a parent's name in a VMDK", vmdk(`${'x'.repeat(9000)}parentFileNameHint="/etc/shadow"`)],
  ['extents of a VMDK', vmdk('RW 1 FLAT "/etc/shadow" 0', 0n)],
  ['a VMDK descriptor', disk((h) => h.write('# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0'))],
  ['a parent of a VDI', vdi((h) => h.writeUInt8(1, 440))],
  ['xz', disk((h) => h.write('\xfd7zXZ\0', 'latin1'))],
  ['gzip', disk((h) => h.write('\x1f\x8b', 'latin1'))],
  ['a web page', Buffer.from('<html>404</html>')],
  ['nothing', Buffer.alloc(0)],
] as const)('refused: %s', ([, head]) => {
  expect(() => read(head)).toThrow(expect.objectContaining({ code: 'DISK_REFUSED', exitCode: 65 }));
});

test('a raw disk that is cut short is refused', () => {
  expect(() =>
    read(
      disk((head) => head.writeUInt16LE(0xaa55, 510)),
      65537,
    ),
  ).toThrow(/cut short/);
});

test('no bytes make it fail in another way', () => {
  const magics = fc.constantFrom('QFI\xfb', 'KDMV', 'vhdxfile', 'conectix', '');
  fc.assert(
    fc.property(magics, fc.uint8Array({ maxLength: 600 }), (magic, tail) => {
      const head = Buffer.concat([Buffer.from(magic, 'latin1'), tail]);
      try {
        read(head);
      } catch (error) {
        expect(error).toBeInstanceOf(VirtainersError);
      }
    }),
  );
});

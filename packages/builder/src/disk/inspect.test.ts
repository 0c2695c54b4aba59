import { VirtainersError } from '@virtainers/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_MAX_VIRTUAL_SIZE, inspectBytes } from './inspect.ts';
import { diskBytesOf } from './inspect-bytes.ts';

const MIB = 1024 * 1024;
const CLUSTER = 65_536;

const inspect = (bytes: Buffer, limit = DEFAULT_MAX_VIRTUAL_SIZE) => inspectBytes(diskBytesOf(bytes), limit);

/** Header, refcount table, L1 table, one L2 table, one cluster of data. */
function makeQcow2(version: 2 | 3 = 3): Buffer {
  const disk = Buffer.alloc(6 * CLUSTER);
  disk.write('QFI\u00fb', 0, 'latin1');
  disk.writeUInt32BE(version, 4);
  disk.writeUInt32BE(16, 20);
  disk.writeBigUInt64BE(BigInt(100 * MIB), 24);
  disk.writeUInt32BE(1, 36);
  disk.writeBigUInt64BE(BigInt(3 * CLUSTER), 40);
  disk.writeBigUInt64BE(BigInt(CLUSTER), 48);
  disk.writeUInt32BE(1, 56);
  if (version === 3) {
    disk.writeUInt32BE(4, 96);
    disk.writeUInt32BE(104, 100);
  }
  disk.writeBigUInt64BE((1n << 63n) | BigInt(4 * CLUSTER), 3 * CLUSTER);
  disk.writeBigUInt64BE((1n << 63n) | BigInt(5 * CLUSTER), 4 * CLUSTER);
  return disk;
}

function makeVmdk(): Buffer {
  const disk = Buffer.alloc(256 * 1024);
  disk.write('KDMV', 0, 'latin1');
  disk.writeUInt32LE(1, 4);
  disk.writeBigUInt64LE(BigInt((10 * MIB) / 512), 12);
  disk.writeBigUInt64LE(128n, 20);
  disk.writeBigUInt64LE(1n, 28);
  disk.writeBigUInt64LE(20n, 36);
  disk.writeUInt32LE(512, 44);
  disk.writeBigUInt64LE(21n, 56);
  const lines = [
    '# Disk DescriptorFile',
    'version=1',
    'CID=1',
    'parentCID=ffffffff',
    'createType="monolithicSparse"',
    'RW 20480 SPARSE "disk.vmdk"',
    '',
  ];
  disk.write(lines.join('\n'), 512);
  disk.writeUInt32LE(22, 21 * 512);
  disk.writeUInt32LE(128, 22 * 512);
  return disk;
}

function makeVdi(): Buffer {
  const disk = Buffer.alloc(2 * MIB);
  disk.writeUInt32LE(0xbeda107f, 0x40);
  disk.writeUInt32LE(0x00010001, 0x44);
  disk.writeUInt32LE(1, 0x4c);
  disk.writeUInt32LE(512, 0x154);
  disk.writeUInt32LE(MIB, 0x158);
  disk.writeBigUInt64LE(BigInt(8 * MIB), 0x170);
  disk.writeUInt32LE(MIB, 0x178);
  disk.writeUInt32LE(8, 0x180);
  disk.fill(0xff, 512, 512 + 32);
  disk.writeUInt32LE(0, 512);
  return disk;
}

function makeVhdx(): Buffer {
  const disk = Buffer.alloc(4 * MIB);
  disk.write('vhdxfile', 0, 'latin1');
  for (const [index, at] of [65_536, 131_072].entries()) {
    disk.write('head', at, 'latin1');
    disk.writeBigUInt64LE(BigInt(index + 1), at + 8);
  }
  const region = (at: number, guid: string, offset: number) => {
    disk.write(guid, at, 'hex');
    disk.writeBigUInt64LE(BigInt(offset), at + 16);
    disk.writeUInt32LE(MIB, at + 24);
  };
  disk.write('regi', 196_608, 'latin1');
  disk.writeUInt32LE(2, 196_608 + 8);
  region(196_608 + 16, '6677c22d23f600429d64115e9bfd4a08', 2 * MIB);
  region(196_608 + 48, '06a27c8b90479a4bb8fe575f050f886e', MIB);
  disk.write('metadata', MIB, 'latin1');
  disk.writeUInt16LE(2, MIB + 10);
  disk.write('3767a1ca36fa434db3b633f0aa44e76b', MIB + 32, 'hex');
  disk.writeUInt32LE(65_536, MIB + 48);
  disk.write('2442a52f1bcd7648b2115dbed83bf4b8', MIB + 64, 'hex');
  disk.writeUInt32LE(65_544, MIB + 80);
  disk.writeUInt32LE(MIB, MIB + 65_536);
  disk.writeBigUInt64LE(BigInt(16 * MIB), MIB + 65_544);
  disk.writeBigUInt64LE((3n << 20n) | 6n, 2 * MIB);
  return disk;
}

function makeRaw(): Buffer {
  const disk = Buffer.alloc(MIB);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

const DISKS = { qcow2: makeQcow2, vmdk: makeVmdk, vdi: makeVdi, vhdx: makeVhdx, raw: makeRaw } as const;
const SIZES = { qcow2: 100 * MIB, vmdk: 10 * MIB, vdi: 8 * MIB, vhdx: 16 * MIB, raw: MIB } as const;
const FORMATS = Object.keys(DISKS) as (keyof typeof DISKS)[];

test.each(FORMATS)('a sound %s is taken', async (format) => {
  expect(await inspect(DISKS[format]())).toEqual({ format, virtualSize: SIZES[format] });
});

test('a sound qcow2 of version 2 is taken', async () => {
  expect(await inspect(makeQcow2(2))).toEqual({ format: 'qcow2', virtualSize: 100 * MIB });
});

test.each(FORMATS)('a %s over the limit is refused, the limit named', async (format) => {
  await expect(inspect(DISKS[format](), MIB / 2)).rejects.toThrow(/over the limit of 512 KiB/);
});

type Change = (disk: Buffer) => Buffer | number | undefined;
const at =
  (offset: number, bytes: string | readonly number[]): Change =>
  (disk) => {
    Buffer.from(bytes as string, 'latin1').copy(disk, offset);
    return undefined;
  };
/** In a descriptor; as long as what it replaces, or shorter. */
const replace =
  (from: string, to: string): Change =>
  (disk) => {
    const offset = disk.indexOf(from);
    disk.fill('\n', offset, offset + from.length);
    return disk.write(to, offset) && undefined;
  };
const u32be =
  (offset: number, value: number): Change =>
  (disk) =>
    disk.writeUInt32BE(value, offset);
const u64be =
  (offset: number, value: bigint): Change =>
  (disk) =>
    disk.writeBigUInt64BE(value, offset);
const u32le =
  (offset: number, value: number): Change =>
  (disk) =>
    disk.writeUInt32LE(value, offset);
const u64le =
  (offset: number, value: bigint): Change =>
  (disk) =>
    disk.writeBigUInt64LE(value, offset);
const cutTo =
  (size: number): Change =>
  (disk) =>
    disk.subarray(0, size);
const all =
  (...changes: Change[]): Change =>
  (disk) => {
    for (const change of changes) change(disk);
    return undefined;
  };

const REFUSED: readonly (readonly [keyof typeof DISKS, string, Change, RegExp])[] = [
  [
    'qcow2',
    'a backing file',
    all(u64be(8, 600n), u32be(16, 11), at(600, '/etc/passwd')),
    /backing file \(\/etc\/passwd\)/,
  ],
  ['qcow2', 'a backing file outside the header', all(u64be(8, 1n << 40n), u32be(16, 11)), /backing file/],
  [
    'qcow2',
    'terminal codes for a backing file',
    all(u64be(8, 600n), u32be(16, 4), at(600, '\u001b[2J')),
    /\\u001b\[2J/,
  ],
  ['qcow2', 'an external data file', u64be(72, 4n), /external data file/],
  ['qcow2', 'the name of a data file', all(u32be(104, 0x44415441), u32be(108, 4)), /external data file/],
  ['qcow2', 'encryption', u32be(32, 2), /encrypted/],
  ['qcow2', 'the corrupt bit', u64be(72, 2n), /corrupt/],
  ['qcow2', 'the dirty bit', u64be(72, 1n), /dirty/],
  ['qcow2', 'unknown features', u64be(72, 1n << 33n), /unknown features \(bits 0x200000000\)/],
  ['qcow2', 'snapshots', u32be(60, 1), /snapshots/],
  ['qcow2', 'version 1', u32be(4, 1), /version 1/],
  ['qcow2', 'version 4', u32be(4, 4), /version is 4/],
  ['qcow2', 'tiny clusters', u32be(20, 8), /2\^8/],
  ['qcow2', 'huge clusters', u32be(20, 63), /2\^63/],
  ['qcow2', 'a huge L1 table', u32be(36, 0xffffffff), /more than QEMU reads/],
  ['qcow2', 'a small L1 table', u64be(24, 1n << 39n), /too few/],
  ['qcow2', 'an absurd size', u64be(24, 1n << 63n), /absurd/],
  ['qcow2', 'no size', u64be(24, 0n), /size is 0/],
  ['qcow2', 'a crooked L1 table', u64be(40, 7n), /not on a cluster/],
  ['qcow2', 'a crooked L2 table', u64be(3 * CLUSTER, (1n << 63n) | 512n), /corrupt/],
  ['qcow2', 'an L2 table beyond the end', u64be(3 * CLUSTER, 1n << 50n), /truncated/],
  ['qcow2', 'data beyond the end', u64be(4 * CLUSTER + 64, 1n << 30n), /truncated/],
  ['qcow2', 'no refcounts', u64be(48, 0n), /refcount table/],
  ['qcow2', 'a huge refcount table', u32be(56, 0xffff), /refcount table/],
  ['qcow2', 'unknown compression', all(u32be(100, 112), at(104, [9])), /compression type is 9/],
  ['qcow2', 'a header alone', cutTo(104), /truncated/],
  ['qcow2', 'a part of a header', cutTo(50), /truncated/],
  ['qcow2', 'half of it', cutTo(4 * CLUSTER), /truncated/],
  ['vmdk', 'no capacity', u64le(12, 0n), /capacity is 0/],
  ['vmdk', 'a parent', replace('parentCID=ffffffff', 'parentCID=11111111'), /parent/],
  ['vmdk', 'a hint of a parent', at(12_000, 'parentFileNameHint="/etc/passwd"'), /parent/],
  ['vmdk', 'two extents', replace('version=1\nCID=1', 'RW 1 FLAT "/e"\n'), /2 extents/],
  ['vmdk', 'another file', replace('"disk.vmdk"', '"/etc/pass"'), /another file/],
  ['vmdk', 'several files', replace('monolithicSparse', 'monolithicFlat  '), /spans several files/],
  ['vmdk', 'a descriptor outside', u64le(28, 0n), /not inside/],
  ['vmdk', 'a descriptor far away', u64le(28, 1n << 50n), /not where it belongs/],
  ['vmdk', 'odd grains', u64le(20, 3n), /grains/],
  ['vmdk', 'a directory beyond the end', u64le(56, 1n << 40n), /truncated/],
  ['vmdk', 'a table beyond the end', u32le(21 * 512, 0xfffffff), /truncated/],
  ['vmdk', 'a grain beyond the end', u32le(22 * 512, 0xfffffff), /truncated/],
  ['vmdk', 'a missing footer', u64le(56, 0xffffffffffffffffn), /footer/],
  ['vdi', 'an unknown type', u32le(0x4c, 4), /type is 4/],
  ['vdi', 'a link', u32le(0x1a8, 1), /parent/],
  ['vdi', 'odd blocks', u32le(0x178, 512), /blocks/],
  ['vdi', 'a small map', u32le(0x180, 1), /too small/],
  ['vdi', 'a map beyond the end', u32le(0x154, 0x7fffffff), /truncated/],
  ['vdi', 'a block beyond the end', u32le(516, 9), /truncated/],
  ['vhdx', 'a parent', u32le(MIB + 65_540, 2), /parent/],
  [
    'vhdx',
    'a parent locator',
    all(at(MIB + 64, [0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c])),
    /parent/,
  ],
  ['vhdx', 'a log', at(131_072 + 48, 'x'), /not closed cleanly/],
  ['vhdx', 'no regions', at(196_608, 'xxxx'), /region table/],
  ['vhdx', 'a block beyond the end', u64le(2 * MIB, (9n << 20n) | 6n), /truncated/],
  ['vhdx', 'huge blocks', u32le(MIB + 65_536, 0x7ff00000), /blocks/],
  ['raw', 'a partition beyond the end', all(at(450, [0x83]), u32le(454, 2048), u32le(458, 1 << 20)), /truncated/],
  ['raw', 'a GPT whose backup is beyond the end', all(at(512, 'EFI PART'), u64le(544, 1n << 20n)), /truncated/],
];

test.each(REFUSED)('a %s with %s is refused', async (format, _, change, reason) => {
  const disk = DISKS[format]();
  const changed = change(disk);
  const bytes = Buffer.isBuffer(changed) ? changed : disk;
  await expect(inspect(bytes)).rejects.toMatchObject({ code: 'DISK_REFUSED', message: expect.stringMatching(reason) });
});

test.each([
  ['an HTML page', '<!DOCTYPE html>', /HTML page/],
  ['a VMDK descriptor', '# Disk DescriptorFile\nRW 1 FLAT "/etc/passwd"', /names other files/],
  ['a VHD', 'conectix', /VHD/],
  ['a file packed twice', '\u001f\u008b', /compressed twice/],
  ['a zip', 'PK\u0003\u0004', /zip/],
  ['a program', '\u007fELF', /program/],
  ['text', 'root:x:0:0', /not known/],
  ['nothing', '', /not known/],
])('%s is refused as what it is', async (_, text, reason) => {
  const bytes = Buffer.from(text, 'latin1');
  await expect(inspect(bytes)).rejects.toMatchObject({ code: 'DISK_REFUSED', message: expect.stringMatching(reason) });
});

test('a CD image is called one', async () => {
  const disk = Buffer.alloc(40_000);
  disk.write('CD001', 32_769);
  await expect(inspect(disk)).rejects.toThrow(/CD image/);
});

describe.each(FORMATS)('%s with any bytes changed', (format) => {
  const limits = { qcow2: 5 * CLUSTER, vmdk: 23 * 512, vdi: 1024, vhdx: 2 * MIB + 64, raw: 2048 } as const;
  const header = fc.record({ at: fc.nat(512), byte: fc.nat(255) });
  const anywhere = fc.record({ at: fc.nat(limits[format]), byte: fc.nat(255) });

  test('is taken or refused, and nothing is read that is not there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(header, anywhere), { minLength: 1, maxLength: 8 }),
        fc.nat(100),
        async (changes, cut) => {
          const disk = DISKS[format]();
          for (const change of changes) disk[change.at] = change.byte;
          const bytes = cut > 80 ? disk.subarray(0, (disk.length * cut) / 100) : disk;
          const found = await inspect(bytes).catch((error: unknown) => error);
          if (found instanceof VirtainersError) expect(found.code).toBe('DISK_REFUSED');
          else expect(found).toMatchObject({ virtualSize: expect.any(Number) });
        },
      ),
      { numRuns: 200 },
    );
  });
});

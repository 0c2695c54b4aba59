import { type ChainLink, newSidecar, type Qcow2Header } from '@virtainers/core';
import { expect, test } from 'vitest';
import { type OverlayFacts, planOverlay } from './overlay-plan.ts';

const GIB = 1024 ** 3;
const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const;

const base: ChainLink = {
  sha256: digest('a'),
  size: 1000,
  virtualSize: 2 * GIB,
  format: 'qcow2',
  path: '/disk/disk.qcow2',
};
const mounted: ChainLink = { ...base, path: '/image/image', seen: { inode: '1', size: '1', mtime: '1', ctime: '1' } };

const header: Qcow2Header = {
  version: 3,
  backingFile: '/disk/disk.qcow2',
  backingFormat: 'qcow2',
  boundTo: undefined,
  clusterSize: 65536,
  granularity: 65536,
  virtualSize: BigInt(4 * GIB),
  encrypted: false,
  l1Size: 8,
  snapshots: 0,
  dirty: false,
  corrupt: false,
  externalDataFile: false,
  unknownFeatures: 0n,
};

function plan(facts: Partial<OverlayFacts>) {
  const path = '/mounted/local_image.qcow2';
  return planOverlay({
    path,
    header,
    sidecar: newSidecar([base], undefined),
    chain: [base],
    diskSize: undefined,
    ...facts,
  });
}

const refusal = (code: string) => expect.objectContaining({ code });

test('no overlay: one is made, as large as the base or as asked for, whatever the sidecar says', () => {
  expect(plan({ header: undefined, sidecar: undefined })).toMatchObject({ action: 'create', size: 2 * GIB });
  const old = newSidecar([{ ...base, sha256: digest('b') }], undefined);
  expect(plan({ header: undefined, sidecar: old, diskSize: 3 * GIB })).toMatchObject({
    action: 'create',
    size: 3 * GIB,
  });
});

test('V7: DISK_SIZE below the base is refused with both sizes', () => {
  const smaller = () => plan({ header: undefined, diskSize: GIB });
  expect(smaller).toThrow(refusal('CONFIG_INVALID'));
  expect(smaller).toThrow(/DISK_SIZE=1073741824 .*the image's disk has 2147483648 bytes/);
});

test('V7: DISK_SIZE grows an existing overlay, and never shrinks it', () => {
  expect(plan({})).toMatchObject({ action: 'use', size: 4 * GIB, growTo: undefined });
  expect(plan({ diskSize: 4 * GIB })).toMatchObject({ growTo: undefined });
  expect(plan({ diskSize: 5 * GIB })).toMatchObject({ size: 5 * GIB, growTo: 5 * GIB });
  expect(() => plan({ diskSize: 3 * GIB })).toThrow(/the disk in the data folder has 4294967296 bytes/);
});

test('V6: another base is refused with both digests and the reference', () => {
  const sidecar = newSidecar([{ ...base, sha256: digest('b') }], 'example/box:1');
  const other = () => plan({ sidecar });
  expect(other).toThrow(expect.objectContaining({ code: 'BASE_MISMATCH', exitCode: 65 }));
  expect(other).toThrow(digest('a'));
  expect(other).toThrow(digest('b'));
  expect(other).toThrow('example/box:1');
});

test('V6: a base of another size is another base', () => {
  expect(() => plan({ chain: [{ ...base, size: 1001 }] })).toThrow(refusal('BASE_MISMATCH'));
});

test('the same bytes at another place are the same base', () => {
  expect(plan({ chain: [mounted] })).toMatchObject({ action: 'use', chain: [{ path: '/disk/disk.qcow2' }] });
});

test('a header that names anything but the recorded base is refused', () => {
  for (const backingFile of ['/etc/shadow', undefined, 'nbd://host/x']) {
    expect(() => plan({ header: { ...header, backingFile } })).toThrow(refusal('DISK_REFUSED'));
  }
});

test.for([
  [{ externalDataFile: true }, /another file/],
  [{ encrypted: true }, /encrypted/],
  [{ corrupt: true }, /corrupt/],
  [{ unknownFeatures: 64n }, /0x40/],
] as const)('an overlay that cannot be used is refused: %s', ([facts, message]) => {
  expect(() => plan({ header: { ...header, ...facts } })).toThrow(message);
});

test('without a sidecar: taken with a warning when it names this base, and bound to it', () => {
  const alone = { sidecar: undefined };
  expect(plan(alone)).toMatchObject({ action: 'use', adopted: true, chain: [base], warnings: [/no sidecar/] });
  const seed = { ...alone, header: { ...header, backingFile: '/image' } };
  expect(plan({ ...seed, chain: [mounted] })).toMatchObject({ adopted: true, chain: [{ path: '/image' }] });
});

test('V6: without a sidecar every other base is refused', () => {
  const alone = { sidecar: undefined };
  expect(() => plan({ ...alone, header: { ...header, backingFile: '/image' } })).toThrow(refusal('BASE_MISMATCH'));
  expect(() => plan({ ...alone, chain: [mounted] })).toThrow(refusal('BASE_MISMATCH'));
  expect(() => plan({ ...alone, header: { ...header, virtualSize: BigInt(GIB) } })).toThrow(refusal('BASE_MISMATCH'));
});

test('an overlay that stands alone needs no base', () => {
  const header2 = { ...header, backingFile: undefined };
  expect(plan({ header: header2, sidecar: undefined, chain: [] })).toMatchObject({ action: 'use', chain: [] });
  expect(plan({ header: header2, sidecar: newSidecar([], undefined) })).toMatchObject({ chain: [], warnings: [] });
});

test('no disk anywhere', () => {
  expect(() => plan({ header: undefined, chain: [] })).toThrow(refusal('CONFIG_INVALID'));
  expect(() => plan({ chain: [] })).toThrow(refusal('CONFIG_INVALID'));
});

test('over published overlays: every link of the chain counts, and their order', () => {
  const link = (digit: string, number: number) => ({
    ...base,
    sha256: digest(digit),
    path: `/overlays/${number}.qcow2`,
  });
  const chain = [base, link('b', 1), link('c', 2)];
  const facts = {
    header: { ...header, backingFile: '/overlays/2.qcow2' },
    sidecar: newSidecar(chain, 'example/box:2'),
  };
  expect(plan({ ...facts, chain })).toMatchObject({ action: 'use', chain });
  const reordered = () => plan({ ...facts, chain: [base, link('c', 1), link('b', 2)] });
  expect(reordered).toThrow(refusal('BASE_MISMATCH'));
  expect(reordered).toThrow(new RegExp(`overlay 1 ${digest('b')}.*overlay 1 ${digest('c')}`));
  expect(() => plan({ ...facts, chain: chain.slice(0, 2) })).toThrow(refusal('BASE_MISMATCH'));
  expect(() => plan({ ...facts, chain: [...chain, link('d', 3)] })).toThrow(refusal('BASE_MISMATCH'));
  expect(plan({ header: undefined, chain: [base, { ...link('b', 1), virtualSize: 3 * GIB }] })).toMatchObject({
    action: 'create',
    size: 3 * GIB,
  });
});

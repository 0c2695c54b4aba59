import { expect, test } from 'vitest';
import type { DiskPlace } from '../guest/disk.ts';
import { whyDisksNotSaved } from './disks.ts';

const disk = (from: string, place: DiskPlace, readonly = false) => ({ from, place, readonly });
const file = disk('/volumes/a.raw', { kind: 'file', path: '/volumes/a.raw' });
const device = { kind: 'block', path: '/dev/vm/b' } as const;
const network = { kind: 'network', protocol: 'rbd', name: 'pool/c' } as const;

test('memory is saved beside files, and devices and network disks that the guest only reads', () => {
  expect(whyDisksNotSaved([])).toBeUndefined();
  expect(whyDisksNotSaved([file, disk('/dev/vm/b', device, true), disk('rbd:pool/c', network, true)])).toBeUndefined();
});

test('a device or a disk on the network that the guest writes is named', () => {
  const why = whyDisksNotSaved([file, disk('/dev/vm/b', device), disk('rbd:pool/c', network)]);
  expect(why).toBe(
    'a machine that writes /dev/vm/b, rbd:pool/c cannot be saved: nothing tells whether another wrote it meanwhile',
  );
});

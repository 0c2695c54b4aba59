import { expect, test } from 'vitest';
import { parseNetworkDisk, withoutSecrets } from './network-disk.ts';

const STORE = 'iqn.2026-01.example:store';

test('an image in a Ceph pool', () => {
  const plain = { protocol: 'rbd', uri: 'rbd:disks/music', pool: 'disks', image: 'music' };
  const usual = { user: undefined, conf: '/etc/ceph/ceph.conf', keyring: undefined, name: 'music', readonly: false };
  expect(parseNetworkDisk('rbd:disks/music')).toEqual({ ...plain, ...usual });
  expect(parseNetworkDisk('rbd:disks/music:id=me:keyring=/k/me:songs:ro')).toEqual({
    ...{ ...plain, ...usual },
    ...{ user: 'me', keyring: '/k/me', name: 'songs', readonly: true },
  });
});

test('a logical unit of an iSCSI target', () => {
  const plain = {
    protocol: 'iscsi',
    host: '10.0.0.9',
    port: 3260,
    target: STORE,
    lun: 1,
    name: 'store-1',
    readonly: false,
  };
  const uri = `iscsi://10.0.0.9/${STORE}/1`;
  expect(parseNetworkDisk(uri)).toEqual({ ...plain, uri, user: undefined, passwordFile: undefined });
  expect(parseNetworkDisk(`iscsi://[fd00::9]:3261/${STORE}/0:user=me:password-file=/run/p:songs`)).toMatchObject({
    ...{ host: 'fd00::9', port: 3261, lun: 0, user: 'me', passwordFile: '/run/p', name: 'songs' },
  });
});

test.for<[string, RegExp]>([
  ['rbd:music', /POOL\/IMAGE/],
  ['rbd:disks/space/music', /no namespace/],
  ['rbd:disks/music@monday', /no snapshot/],
  ['rbd:disks/music:password=x', /password= is not known; id=, conf=, keyring= are/],
  ['rbd:disks/music:constructor=x', /constructor= is not known/],
  ['rbd:disks/music:keyring=k', /keyring= has to be the path of a file/],
  ['rbd:disks/music:a:b', /one name is enough/],
  ['rbd:disks/music:a,b', /is no name/],
  ['iscsi://10.0.0.9/music/1', /TARGET\/LUN/],
  [`iscsi://10.0.0.9/${STORE}`, /TARGET\/LUN/],
  [`iscsi://10.0.0.9:70000/${STORE}/1`, /70000 is no port/],
  [`iscsi:///${STORE}/1`, /HOST/],
  [`iscsi://10.0.0.9/${STORE}/1:user=me`, /go together/],
  [`iscsi://me%hidden@10.0.0.9/${STORE}/1`, /no password in a URI/],
  ['nfs://10.0.0.9/disk', /not a disk on the network/],
])('%s is refused', ([text, why]) => {
  const said = parseNetworkDisk(text);
  expect(said).toMatch(why);
  expect(said).not.toContain('hidden');
});

test.for([
  ['iscsi://me%hidden@h/x/1', 'iscsi://***@h/x/1'],
  ['iscsi://me%hid/den@h/x/1', 'iscsi://***@h/x/1'],
  ['rbd:vms/db:id=admin:key=hidden==', 'rbd:vms/db:id=admin:key=***'],
  ['rbd:vms/db:password=hidden:conf=/etc/ceph/a.conf:ro', 'rbd:vms/db:password=***:conf=/etc/ceph/a.conf:ro'],
  ['rbd:vms/db:keyring=hidden==', 'rbd:vms/db:keyring=***'],
] as const)('a secret that stands in %s all the same is not shown', ([text, shown]) => {
  expect(withoutSecrets(text)).toBe(shown);
  expect(parseNetworkDisk(text)).not.toContain('hid');
});

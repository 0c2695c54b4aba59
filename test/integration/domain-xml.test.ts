import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DomainContext, type DomainInterface, renderDomain } from '../../packages/runtime/src/domain/context.ts';
import type { DiskSecret } from '../../packages/runtime/src/guest/disk.ts';
import {
  armContext,
  domainContext,
  secureContext,
  standingAlone,
} from '../../packages/runtime/src/testing/domain-context.ts';
import { repository } from '../helpers/folders.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const userNic: DomainInterface = {
  kind: 'user',
  mac: '52:54:00:00:00:01',
  subnet: '192.168.100.0',
  subnet6: 'fd76:6d64:c0a8:64::',
  mtu: 1400,
};
const passtNic: DomainInterface = {
  kind: 'passt',
  mac: '52:54:00:00:00:02',
  source: 'eth0',
  forwards: [
    { protocol: 'tcp', port: 22, qemuPort: 20_022, way: 'relayed' },
    { protocol: 'udp', port: 5353, qemuPort: 5353, way: 'direct' },
  ],
  mtu: 1400,
};

const seedOnCdrom = { file: '/cloud_init.iso', format: 'raw', target: 'sda', readonly: true, cdrom: true, backing: [] };

const secret = (type: DiskSecret['type']): DiskSecret => ({ type, user: 'me', usage: type, value: () => 'hidden' });

const moreDisks: DomainContext['disks'] = [
  { file: '/volumes/a.qcow2', format: 'qcow2', target: 'vdc', readonly: true, serial: 'a', backing: [] },
  { device: '/dev/vm/b', format: 'raw', target: 'vdd', readonly: false, serial: 'b.2_-', uncached: true, backing: [] },
  {
    network: {
      kind: 'network',
      protocol: 'rbd',
      name: 'disks/c',
      config: '/etc/ceph/ceph.conf',
      secret: secret('ceph'),
    },
    ...{ format: 'raw', target: 'vde', readonly: false, serial: 'c', backing: [] },
  },
  {
    network: {
      ...{ kind: 'network', protocol: 'iscsi', name: 'iqn.2026-01.example:store/1', secret: secret('iscsi') },
      host: { name: 'fd00::9', port: 3260 },
    },
    ...{ format: 'raw', target: 'vdf', readonly: true, serial: 'd', backing: [] },
  },
];

test.for<[string, Partial<DomainContext>]>([
  ['nat under TCG', {}],
  ['nat under KVM', { accelerator: 'kvm' }],
  ['user network', { interfaces: [userNic] }],
  ['passt', { interfaces: [passtNic] }],
  ['several NICs and options for QEMU', { interfaces: [userNic, passtNic], qemuArgs: ['-device', 'edu'] }],
  ['no network', { interfaces: [] }],
  ['options for QEMU', { qemuArgs: ['-device', 'edu'] }],
  ['an overlay that stands alone', standingAlone],
  ['64-bit ARM with UEFI under TCG', armContext],
  ['64-bit ARM with UEFI under KVM', { ...armContext, accelerator: 'kvm' }],
  ['a seed on a CD-ROM', { disks: [...domainContext.disks.slice(0, 1), seedOnCdrom] }],
  ['a config for Ignition', { fwCfg: { name: 'opt/com.coreos/config', path: '/run/virtainers/ignition.json' } }],
  // The schema of Debian 12's libvirt does not know where a TPM's state may lie.
  ['UEFI with secure boot', { ...secureContext, tpm: undefined }],
  ['more disks', { disks: [...domainContext.disks, ...moreDisks] }],
  [
    'shared folders',
    {
      filesystems: [
        { kind: 'virtiofs', tag: 'src', socket: '/run/virtainers/share-src.sock' },
        { kind: '9p', tag: 'docs', folder: "/shares/do'cs", readonly: true },
      ],
    },
  ],
  ['text that needs escaping', { title: `<&>"'` }],
])('the domain passes the schema of libvirt itself: %s', async ([, change]) => {
  await requireTool('virt-xml-validate');
  const folder = await tempFolder('xml');
  const template = await readFile(join(repository, 'templates/domain/domain.xml.hbs'), 'utf8');
  const file = join(folder, 'domain.xml');
  await writeFile(file, renderDomain(template, { ...domainContext, ...change }));
  const { stderr } = await exec('virt-xml-validate', [file, 'domain']);
  expect(stderr).toContain('validates');
});

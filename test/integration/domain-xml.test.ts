import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DomainContext, renderDomain } from '../../packages/runtime/src/domain/context.ts';
import { repository, tempFolder } from '../helpers/folders.ts';
import { exec, requireTool } from '../helpers/process.ts';

const base: DomainContext = {
  name: 'vm',
  uuid: '6a3f6c0e-5a52-4bb4-9f5c-7d3a6f9b1a11',
  title: 'debian:13-packages',
  osId: 'http://debian.org/debian/13',
  emulator: '/usr/lib/virtainers/bin/qemu-system-x86_64',
  accelerator: 'tcg',
  ramMiB: 1024,
  cpus: 2,
  disks: [
    {
      path: '/mounted/local_image.qcow2',
      format: 'qcow2',
      target: 'vda',
      readonly: false,
      backing: [{ path: '/disk/disk.qcow2', format: 'qcow2' }],
    },
    { path: '/cloud_init.iso', format: 'raw', target: 'vdb', readonly: true, backing: [] },
  ],
  interfaces: [{ kind: 'tap', mac: '52:54:00:00:00:01', device: 'vm0', mtu: 1400 }],
  consoleLog: '/var/log/libvirt/qemu/console/console.log',
  qemuArgs: [],
};

test.for<[string, Partial<DomainContext>]>([
  ['nat under TCG', {}],
  ['nat under KVM', { accelerator: 'kvm' }],
  ['user network', { interfaces: [{ kind: 'user', mac: '52:54:00:00:00:01', subnet: '192.168.100.0' }] }],
  ['no network', { interfaces: [] }],
  ['options for QEMU', { qemuArgs: ['-device', 'edu'] }],
  ['an overlay that stands alone', { disks: base.disks.map((disk) => ({ ...disk, backing: [] })) }],
  ['text that needs escaping', { title: `<&>"'` }],
])('the domain passes the schema of libvirt itself: %s', async ([, change]) => {
  await requireTool('virt-xml-validate');
  const folder = await tempFolder('xml');
  const template = await readFile(join(repository, 'templates/domain/domain.xml.hbs'), 'utf8');
  const file = join(folder, 'domain.xml');
  await writeFile(file, renderDomain(template, { ...base, ...change }));
  const { stderr } = await exec('virt-xml-validate', [file, 'domain']);
  expect(stderr).toContain('validates');
});

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Parser } from 'xml2js';
import { domainContext, standingAlone } from '../testing/domain-context.ts';
import { type DomainFilesystem, renderDomain } from './context.ts';

const template = readFileSync(new URL('../../../../templates/domain/domain.xml.hbs', import.meta.url), 'utf8');

test('the backing chain is written out and closed, so that libvirt follows no header', () => {
  expect(renderDomain(template, domainContext)).toContain(
    "<backingStore type='file'><format type='qcow2'/><source file='/disk/disk.qcow2'/><backingStore/></backingStore>",
  );
  const alone = renderDomain(template, standingAlone);
  expect(alone.match(/<backingStore.*?>/g)).toEqual(['<backingStore/>', '<backingStore/>']);
});

test('QEMU options reach the command line only when there are any', () => {
  expect(renderDomain(template, domainContext)).not.toContain('qemu:commandline');
  expect(renderDomain(template, { ...domainContext, qemuArgs: ['-device', 'a<b'] })).toContain(
    "<qemu:arg value='a&lt;b'/>",
  );
});

test('whatever text goes in comes out of an XML parser again', async () => {
  const text = fc
    .string({ minLength: 1, unit: fc.constantFrom(...`<>&"'{}=ab é`) })
    .filter((value) => value.trim() === value);
  await fc.assert(
    fc.asyncProperty(text, async (title) => {
      const parsed = await new Parser({ explicitArray: false }).parseStringPromise(
        renderDomain(template, { ...domainContext, title }),
      );
      expect(parsed.domain.title).toBe(title);
    }),
  );
});

test("passt: ports that are relayed are opened for the container alone; the MTU is the device's own property", async () => {
  const forwards = [
    { protocol: 'tcp', port: 22, qemuPort: 20_022, way: 'relayed' },
    { protocol: 'udp', port: 5353, qemuPort: 5353, way: 'direct' },
  ] as const;
  const passt = { kind: 'passt', mac: '52:54:00:00:00:02', source: 'eth1', mtu: 1300, forwards } as const;
  const interfaces = [...domainContext.interfaces, passt];
  const { domain } = await new Parser({ explicitArray: false }).parseStringPromise(
    renderDomain(template, { ...domainContext, interfaces }),
  );
  const [tap, user] = domain.devices.interface;
  expect(tap.mtu.$.size).toBe('1400');
  expect(user).toMatchObject({
    $: { type: 'user' },
    backend: { $: { type: 'passt' } },
    source: { $: { dev: 'eth1' } },
  });
  expect(user.portForward).toEqual([
    { $: { proto: 'tcp', address: '127.0.0.1' }, range: { $: { start: '20022', to: '22' } } },
    { $: { proto: 'udp' }, range: { $: { start: '5353', to: '5353' } } },
  ]);
  const device = domain['qemu:override']['qemu:device'];
  expect(device.$.alias).toBe('net1');
  expect(device['qemu:frontend']['qemu:property'].$).toEqual({ name: 'host_mtu', type: 'unsigned', value: '1300' });
});

test('a seed on a CD-ROM lies on virtio-scsi, which other guests do without', () => {
  const [disk] = domainContext.disks;
  const seed = { file: '/cloud_init.iso', format: 'raw', target: 'sda', readonly: true, cdrom: true, backing: [] };
  const xml = renderDomain(template, { ...domainContext, disks: [...(disk ? [disk] : []), seed] });
  expect(xml).toContain("<controller type='scsi' model='virtio-scsi'/>");
  expect(xml).toMatch(/device='cdrom'>[\s\S]*<target dev='sda' bus='scsi'\/>/);
  const without = renderDomain(template, domainContext);
  expect(without).not.toMatch(/scsi|cdrom/);
});

test('a folder behind a socket needs memory that is shared; one that QEMU serves does not', () => {
  const render = (filesystem: DomainFilesystem) =>
    renderDomain(template, { ...domainContext, filesystems: [filesystem] });
  const shared = render({ kind: 'virtiofs', tag: 'src', socket: '/run/share-src.sock' });
  expect(shared).toContain("<source type='memfd'/>\n    <access mode='shared'/>");
  expect(shared).toContain("<source socket='/run/share-src.sock'/>");
  const served = render({ kind: '9p', tag: 'src', folder: '/shares/src', readonly: true });
  expect(served).toMatch(
    /accessmode='squash'[\s\S]*<source dir='\/shares\/src'\/>[\s\S]*<readonly\/>\n {4}<\/filesystem>/,
  );
  for (const xml of [served, renderDomain(template, domainContext)]) expect(xml).not.toContain('memoryBacking');
});

test('a config for Ignition stands in fw_cfg, and nothing does without one', () => {
  const fwCfg = { name: 'opt/com.coreos/config', path: '/run/virtainers/ignition.json' };
  const entry = "<entry name='opt/com.coreos/config' file='/run/virtainers/ignition.json'/>";
  expect(renderDomain(template, { ...domainContext, fwCfg })).toContain(entry);
  expect(renderDomain(template, domainContext)).not.toContain('fwcfg');
});

test('a disk on the network names its secret, which is not in the XML; zeroes are searched for in files alone', () => {
  const secret = { type: 'ceph', user: 'me', usage: 'music', value: () => 'hidden' } as const;
  const place = {
    kind: 'network',
    protocol: 'rbd',
    name: 'disks/music',
    config: '/etc/ceph/ceph.conf',
    secret,
  } as const;
  const disk = {
    network: place,
    keepZeroes: true,
    format: 'raw',
    target: 'vdc',
    readonly: false,
    serial: 'music',
    backing: [],
  };
  const xml = renderDomain(template, { ...domainContext, disks: [...domainContext.disks, disk] });
  expect(xml).toMatch(/<auth username='me'>\s*<secret type='ceph' usage='music'\/>/);
  expect(xml).toMatch(/discard='unmap'\/>\s*<source protocol='rbd' name='disks\/music'>/);
  expect(xml).not.toContain('hidden');
});

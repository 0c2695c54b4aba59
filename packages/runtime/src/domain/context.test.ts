import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Parser } from 'xml2js';
import { type DomainContext, renderDomain } from './context.ts';

const template = readFileSync(new URL('../../../../templates/domain/domain.xml.hbs', import.meta.url), 'utf8');

const context: DomainContext = {
  name: 'vm',
  uuid: '6a3f6c0e-5a52-4bb4-9f5c-7d3a6f9b1a11',
  title: 'debian:13-packages',
  osId: 'http://debian.org/debian/13',
  emulator: '/usr/lib/virtainers/bin/qemu-system-x86_64',
  accelerator: 'tcg',
  ramMiB: 1024,
  cpus: 1,
  disks: [
    {
      path: '/mounted/local_image.qcow2',
      format: 'qcow2',
      target: 'vda',
      readonly: false,
      backing: [{ path: '/disk/disk.qcow2', format: 'qcow2' }],
    },
  ],
  interfaces: [{ kind: 'tap', mac: '52:54:00:00:00:01', device: 'vm0', mtu: 1500 }],
  consoleLog: '/var/log/console.log',
  qemuArgs: [],
};

test('the backing chain is written out and closed, so that libvirt follows no header', () => {
  expect(renderDomain(template, context)).toContain(
    "<backingStore type='file'><format type='qcow2'/><source file='/disk/disk.qcow2'/><backingStore/></backingStore>",
  );
  const alone = { ...context, disks: context.disks.map((disk) => ({ ...disk, backing: [] })) };
  expect(renderDomain(template, alone)).toContain('<backingStore/>');
});

test('QEMU options reach the command line only when there are any', () => {
  expect(renderDomain(template, context)).not.toContain('qemu:commandline');
  expect(renderDomain(template, { ...context, qemuArgs: ['-device', 'a<b'] })).toContain("<qemu:arg value='a&lt;b'/>");
});

test('whatever text goes in comes out of an XML parser again', async () => {
  const text = fc
    .string({ minLength: 1, unit: fc.constantFrom(...`<>&"'{}=ab é`) })
    .filter((value) => value.trim() === value);
  await fc.assert(
    fc.asyncProperty(text, async (title) => {
      const parsed = await new Parser({ explicitArray: false }).parseStringPromise(
        renderDomain(template, { ...context, title }),
      );
      expect(parsed.domain.title).toBe(title);
    }),
  );
});

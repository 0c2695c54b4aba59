import { expect, test } from 'vitest';
import { parseLiveDomain } from './xml.ts';

const domain = (devices: string) =>
  `<domain type='qemu' id='1'><name>vm</name><uuid>u</uuid><devices>${devices}</devices></domain>`;
const channel = (name: string) =>
  `<channel type='unix'><source mode='bind' path='/run/${name}'/><target type='virtio' name='${name}' state='disconnected'/></channel>`;

test('one element or several: console, channels and interfaces are found', async () => {
  const nic = "<interface type='ethernet'><target dev='vm0' managed='no'/><alias name='net0'/></interface>";
  const console = "<console type='pty' tty='/dev/pts/0'><source path='/dev/pts/0'/></console>";
  expect(await parseLiveDomain(domain(console + channel('a') + channel('b') + nic))).toEqual({
    uuid: 'u',
    consolePty: '/dev/pts/0',
    channels: { a: '/run/a', b: '/run/b' },
    interfaces: [{ alias: 'net0', device: 'vm0' }],
  });
  expect((await parseLiveDomain(domain(channel('a')))).channels).toEqual({ a: '/run/a' });
});

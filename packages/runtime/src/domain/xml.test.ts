import { expect, test } from 'vitest';
import { parseLiveDomain, writableDisks } from './xml.ts';

const domain = (devices: string) => `<domain type='qemu' id='1'><name>vm</name><devices>${devices}</devices></domain>`;
const memory = "<memballoon model='virtio'/>";
const channel = (name: string) =>
  `<channel type='unix'><source mode='bind' path='/run/${name}'/><target type='virtio' name='${name}' state='disconnected'/></channel>`;
const closed = "<channel type='unix'><target type='virtio' name='closed'/></channel>";

test.each([
  ['several', channel('a') + channel('b'), { a: '/run/a', b: '/run/b' }],
  ['one', channel('a'), { a: '/run/a' }],
  ['none', '', {}],
  ['one without a socket', closed + channel('a'), { a: '/run/a' }],
])('the sockets of channels are found: %s', async (_name, channels, expected) => {
  expect(await parseLiveDomain(domain(memory + channels))).toEqual({ channels: expected });
});

test('of the disks, those that the guest may write', async () => {
  const disk = (path: string, more = '') => `<disk><source file='${path}'/>${more}</disk>`;
  const network = "<disk><source protocol='rbd' name='pool/image'/></disk>";
  const xml = (inner: string) => `<domain><devices>${inner}</devices></domain>`;
  expect(await writableDisks(xml(disk('/a') + disk('/b', '<readonly/>') + disk('/c') + network))).toEqual(['/a', '/c']);
  expect(await writableDisks(xml(disk('/a')))).toEqual(['/a']);
});

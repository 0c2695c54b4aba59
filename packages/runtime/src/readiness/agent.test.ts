import { expect, test } from 'vitest';
import { askAddresses } from './agent.ts';

const reply = [
  { name: 'lo', 'ip-addresses': [{ 'ip-address-type': 'ipv4', 'ip-address': '127.0.0.1', prefix: 8 }] },
  {
    name: 'eth0',
    'hardware-address': '52:54:00:AA:00:01',
    'ip-addresses': [
      { 'ip-address-type': 'ipv6', 'ip-address': 'fe80::5054:ff:feaa:1', prefix: 64 },
      { 'ip-address-type': 'ipv6', 'ip-address': 'fd00::7', prefix: 64 },
      { 'ip-address-type': 'ipv4', 'ip-address': '192.168.1.104', prefix: 24 },
    ],
  },
  { name: 'docker0', 'hardware-address': '02:42:00:00:00:01' },
];

test('addresses of the NIC that is asked for, IPv4 first, without link-local ones', async () => {
  expect(await askAddresses(async () => reply, '52:54:00:aa:00:01')).toEqual(['192.168.1.104', 'fd00::7']);
  expect(await askAddresses(async () => reply, '02:42:00:00:00:01')).toEqual([]);
});

test.each([undefined, 'no', [{ 'ip-addresses': 'x' }]])('an agent that says %j says nothing', async (said) => {
  expect(await askAddresses(async () => said, '52:54:00:aa:00:01')).toEqual([]);
});

import type { Status } from '@virtainers/core';
import { expect, test } from 'vitest';
import { doorTo } from './connect.ts';

type Network = NonNullable<Status['network']>;

const network = (more: Partial<Network>): Pick<Status, 'network'> => ({
  network: { mode: 'nat', reason: '', addresses: [], ports: [], ...more },
});
const nobody = async () => [];
const forwarded = { protocol: 'tcp', container: 20_022, guest: 22 } as const;

test("the guest's own address comes first, with its own port", async () => {
  expect(await doorTo(22, network({ guestAddress: '192.168.100.100', ports: [forwarded] }), nobody)).toEqual({
    host: '192.168.100.100',
    port: 22,
  });
});

test('a forwarded port is reached where QEMU or passt opens it', async () => {
  expect(await doorTo(22, network({ mode: 'user', ports: [forwarded] }), nobody)).toEqual({
    host: '127.0.0.1',
    port: 20_022,
  });
});

test('a port that is not forwarded is an error, and never one of the container itself', async () => {
  const nics = [{ link: 'eth0', mode: 'passt', mac: '52:54:00:00:00:01', addresses: ['10.0.0.2'] }];
  const there = async () => ['10.0.0.2'];
  await expect(doorTo(80, network({ mode: 'passt', nics, ports: [forwarded] }), there)).rejects.toMatchObject({
    code: 'NETWORK_UNAVAILABLE',
    hint: 'start it with -e PORTS=80',
  });
});

test('a guest that the LAN addresses says itself where it is; the port of nobody else is tried', async () => {
  const nics = [{ link: 'br0', mode: 'host-bridge', mac: '52:54:00:00:00:01', addresses: [] }];
  const ask = async (mac: string) => (mac === '52:54:00:00:00:01' ? ['192.168.1.104'] : []);
  expect(await doorTo(22, network({ mode: 'host-bridge', nics }), ask)).toEqual({ host: '192.168.1.104', port: 22 });
  await expect(doorTo(22, network({ mode: 'host-bridge', nics }), nobody)).rejects.toThrow('does not say');
});

import { expect, test } from 'vitest';
import { noOptions, recorded } from '../testing/networks.ts';
import { bridge } from './bridge.ts';
import { macvtap } from './macvtap.ts';
import type { Mode } from './mode.ts';
import { nat } from './nat.ts';
import { attachedLinks, hostLinks, ISOLATED, linkNamed } from './select.ts';

const names = (network: string, mode: Mode, attach?: string[]) =>
  attachedLinks(recorded(network), { ...noOptions, attach }, mode).map(({ name }) => name);

test('B4: every interface, in the order of the container', () => {
  expect(names('docker-two-networks', nat)).toEqual(['eth0', 'eth1']);
  expect(names('docker-two-networks', bridge)).toEqual(['eth0', 'eth1']);
});

test('ATTACH_IFACES: these and no others, in their order', () => {
  expect(names('docker-two-networks', nat, ['eth1', 'eth0'])).toEqual(['eth1', 'eth0']);
  expect(names('docker-two-networks', macvtap, ['eth1'])).toEqual(['eth1']);
  expect(names('docker-two-networks', macvtap, [])).toEqual([]);
  expect(() => names('docker-two-networks', nat, ['eth0', 'eth7'])).toThrow(
    expect.objectContaining({
      code: 'NETWORK_UNAVAILABLE',
      message: 'ATTACH_IFACES names eth7, which is not there',
      hint: 'the container has eth0, eth1',
    }),
  );
});

test('neither bridges nor their ports nor what an earlier life left', () => {
  expect(names('host-with-bridge', nat)).toEqual([ISOLATED.name]);
  const { links, ...rest } = recorded('docker-bridge');
  const ours = ['vm0', 'vbr1', 'vleg0', 'vm0-a1b2c3'].map((name) => ({ ...(links[0] ?? ISOLATED), name }));
  const attached = attachedLinks({ ...rest, links: [...ours, ...links] }, noOptions, nat);
  expect(attached.map(({ name }) => name)).toEqual(['eth0']);
});

test('an interface without an address is of use to modes that work below addresses, and to no other', () => {
  const snapshot = recorded('docker-bridge');
  const bare = { ...snapshot, links: snapshot.links.map((link) => ({ ...link, addresses: [] })) };
  expect(attachedLinks(bare, noOptions, bridge)).toHaveLength(1);
  expect(attachedLinks(bare, noOptions, nat)).toEqual([ISOLATED]);
});

test('without any network the guest is reached from inside; there is nothing to take over', () => {
  expect(names('docker-none', nat)).toEqual([ISOLATED.name]);
  for (const mode of [bridge, macvtap]) {
    expect(() => names('docker-none', mode)).toThrow(expect.objectContaining({ code: 'NETWORK_UNAVAILABLE' }));
  }
});

test("the host's own interface is the one that leads out, be it a bridge; without a route the first with an address", () => {
  const only = (network: string, change: object = {}) =>
    hostLinks({ ...recorded(network), ...change }).map(({ name }) => name);
  expect(only('host-with-bridge')).toEqual(['br0']);
  expect(only('several-default-routes')).toEqual(['eth1']);
  expect(only('ipv6-only')).toEqual(['eth0']);
  expect(only('docker-two-networks', { routes: [] })).toEqual(['eth0']);
  expect(only('docker-none')).toEqual([ISOLATED.name]);
  const { links, routes } = recorded('docker-two-networks');
  const away = routes.map((route) => ({ ...route, device: 'wg0' }));
  const [bridge] = recorded('host-with-bridge').links;
  expect(only('docker-two-networks', { links: [bridge, ...links.slice(1)], routes: away })).toEqual(['eth1']);
  expect(only('docker-two-networks', { links: [bridge], routes: away })).toEqual(['br0']);
});

test('what is named and is not there is named with the setting and what there is', () => {
  expect(() => linkNamed(recorded('docker-none'), '', 'BRIDGE_IF')).toThrow(
    expect.objectContaining({
      message: 'BRIDGE_IF names no interface, which is not there',
      hint: 'the container has no network interface',
    }),
  );
});

import { expect, test } from 'vitest';
import { askFor, planFor, recorded, type Situation } from '../testing/networks.ts';

const onHost: Situation = {
  snapshot: recorded('host-with-bridge'),
  ask: askFor('host-bridge'),
  options: { bridge: 'br0' },
  means: { hostNetwork: true },
};

test("on the host nothing is touched but a tap of the guest's own", () => {
  const [nic] = planFor(onHost).nics;
  const lines = nic?.commands.map(({ args }) => args.join(' '));
  expect(lines?.[0]).toBe('tuntap add dev vm0-000000 mode tap user 107 group 107 vnet_hdr');
  expect(lines?.at(-1)).toBe('link set dev vm0-000000 mtu 1500 master br0 up');
  for (const line of lines ?? []) expect(line).toContain(' dev vm0-000000 ');
  expect(nic).toMatchObject({ daemons: [], interface: { mac: '52:54:00:00:00:00' }, guestAddress: undefined });
  expect(nic?.guest).toMatchObject({ name: 'eth0', dhcp4: true, acceptRa: true });
});

test.for([
  ['no name', { options: { bridge: undefined } }, 'BRIDGE_IF=br0'],
  ['what is no bridge', { options: { bridge: 'eth0' } }, 'eth0 is no bridge here (there is br0, docker0)'],
  ['no bridge at all', { snapshot: recorded('docker-bridge') }, 'run with --net=host'],
  ['no tun', { means: { hostNetwork: true, tun: false } }, '--device /dev/net/tun'],
  ['no NET_ADMIN', { means: { hostNetwork: true, netAdmin: false } }, '--cap-add NET_ADMIN'],
] as const)('with %s it is refused, with what to do', ([, lacking, hint]) => {
  expect(() => planFor({ ...onHost, ...lacking } as Situation)).toThrow(
    expect.objectContaining({ code: 'NETWORK_UNAVAILABLE', hint: expect.stringContaining(hint) }),
  );
});

test('a NIC of its own mode names its bridge by itself', () => {
  const ask = { kind: 'each', modes: [{ link: 'br0', mode: 'host-bridge' }] } as const;
  expect(planFor({ ...onHost, ask, options: {} }).nics.map(({ link, mode }) => [link, mode])).toEqual([
    ['br0', 'host-bridge'],
  ]);
});

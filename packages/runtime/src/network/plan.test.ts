import { expect, test } from 'vitest';
import { chooseNetwork, planNetwork } from './choose.ts';
import type { NetworkInput } from './mode.ts';
import { hostForwardCommand } from './user.ts';

const input: NetworkInput = {
  snapshot: {
    links: [
      {
        name: 'eth0',
        mac: '02:42:ac:11:00:02',
        mtu: 1400,
        addresses: [{ family: 4, address: '172.17.0.2', prefix: 16 }],
      },
    ],
    routes: [{ destination: 'default', gateway: '172.17.0.1', device: 'eth0' }],
    resolver: { nameservers: ['127.0.0.11'], search: ['lan.example'] },
    hostname: 'box',
  },
  cidr: '192.168.100',
  macAt: (index) => `52:54:00:00:00:0${index}`,
  ports: [
    { protocol: 'tcp', port: 22 },
    { protocol: 'tcp', port: 8080 },
    { protocol: 'udp', port: 53 },
  ],
  uid: 107,
  gid: 107,
  runFolder: '/run/virtainers',
  unprivilegedPortStart: 0,
  mayBindLow: true,
};

const everything = { root: true, netAdmin: true, tun: true, hostNetwork: false, ipv4Forwarding: true };

test('nat: a tap of the same MTU for QEMU, one nft transaction, one lease', () => {
  const plan = planNetwork('nat', input);
  expect(plan.commands.map(({ file, args }) => [file, ...args].join(' '))).toEqual([
    'ip tuntap add dev vm0 mode tap user 107 group 107 vnet_hdr',
    'ip link set dev vm0 mtu 1400 up',
    'ip address add 192.168.100.1/24 dev vm0',
    'nft -f -',
  ]);
  expect(plan.commands.flatMap(({ undo }) => (undo ? [[undo.file, ...undo.args].join(' ')] : []))).toEqual([
    'ip link delete vm0',
    'nft delete table ip virtainers',
  ]);
  expect(plan.commands[3]?.input).toContain('ip daddr { 172.17.0.2 } dnat to 192.168.100.100');
  const dnsmasq = plan.daemons[0]?.args ?? [];
  expect(dnsmasq).toContain('--dhcp-option=option:mtu,1400');
  expect(dnsmasq).toContain('--dhcp-host=52:54:00:00:00:00,192.168.100.100,box,infinite');
  expect(dnsmasq).toContain('--bind-interfaces');
  expect(plan.interfaces).toEqual([{ kind: 'tap', mac: '52:54:00:00:00:00', device: 'vm0', mtu: 1400 }]);
  expect(plan.addresses).toEqual(['172.17.0.2']);
});

test('V16: nat says so when its inner network has moved', () => {
  const links = [{ ...input.snapshot.links[0], addresses: [{ family: 4, address: '192.168.100.9', prefix: 24 }] }];
  const plan = planNetwork('nat', { ...input, snapshot: { ...input.snapshot, links } } as NetworkInput);
  expect(plan.guestAddress).toBe('192.168.101.100');
  expect(plan.losses).toHaveLength(1);
});

test('user: QEMU opens what it may; a low TCP port is relayed by root; a low UDP port is named as lost', () => {
  const plan = planNetwork('user', { ...input, unprivilegedPortStart: 1024 });
  expect(plan.forwards).toEqual([
    { protocol: 'tcp', port: 22, qemuPort: 20022, way: 'relayed' },
    { protocol: 'tcp', port: 8080, qemuPort: 8080, way: 'direct' },
    { protocol: 'udp', port: 53, qemuPort: 20053, way: 'inside' },
  ]);
  expect(plan.losses).toEqual([expect.stringContaining('port 53/udp cannot be opened')]);
  expect(plan.forwards.map((forward) => hostForwardCommand('hostnet0', forward))).toEqual([
    'hostfwd_add hostnet0 tcp:127.0.0.1:20022-:22',
    'hostfwd_add hostnet0 tcp::8080-:8080',
    'hostfwd_add hostnet0 udp:127.0.0.1:20053-:53',
  ]);
  expect(planNetwork('user', { ...input, unprivilegedPortStart: 1024, mayBindLow: false }).losses).toHaveLength(2);
});

test.for([
  [{}, 'nat', 'the best'],
  [{ netAdmin: false }, 'user', '--cap-add NET_ADMIN'],
  [{ tun: false }, 'user', '--device /dev/net/tun'],
  [{ root: false }, 'user', 'without --user'],
  [{ hostNetwork: true }, 'user', '--net=host'],
  [{ ipv4Forwarding: false }, 'user', '--sysctl net.ipv4.ip_forward=1'],
] as const)('auto with %o is %s', ([lacking, mode, reason]) => {
  const choice = chooseNetwork('auto', { ...everything, ...lacking });
  expect(choice.mode).toBe(mode);
  expect(choice.reason).toContain(reason);
});

test('what was asked for and cannot be is an error that says what to add; nothing is planned', () => {
  expect(() => chooseNetwork('nat', { ...everything, hostNetwork: true })).toThrow(/NETWORK_MODE=nat/);
  expect(chooseNetwork('none', { ...everything, netAdmin: false }).mode).toBe('none');
  expect(planNetwork('none', input)).toMatchObject({ commands: [], daemons: [], interfaces: [] });
});

test("user: the guest's subnet is none of the container's, as rootless Podman's 10.0.2.0/24 would be", () => {
  const link = {
    name: 'tap0',
    mac: '02:00:00:00:00:01',
    mtu: 65520,
    addresses: [{ family: 4, address: '192.168.100.100', prefix: 24 }],
  } as const;
  const plan = planNetwork('user', { ...input, snapshot: { ...input.snapshot, links: [link] } });
  expect(plan.interfaces).toEqual([{ kind: 'user', mac: '52:54:00:00:00:00', subnet: '192.168.101.0' }]);
});

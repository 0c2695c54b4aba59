import { expect, test } from 'vitest';
import { askFor, planFor, recorded, type Situation } from '../testing/networks.ts';

const planned = (name: string, more: Partial<Situation> = {}) => {
  const [nic] = planFor({ snapshot: recorded(name), ask: askFor('bridge'), ...more }).nics;
  return nic ?? expect.fail();
};
const typed = (nic: ReturnType<typeof planned>) => nic.commands.map(({ file, args }) => [file, ...args].join(' '));
const rules = (nic: ReturnType<typeof planned>) => nic.commands.flatMap(({ input }) => input ?? []).join('');

test("the guest has the container's MAC and address; the container's interface another, local MAC", () => {
  const nic = planned('docker-bridge');
  expect(nic).toMatchObject({
    interface: { kind: 'tap', mac: '02:42:ac:11:00:02', device: 'vm0' },
    addresses: ['172.17.0.2'],
    guestAddress: '172.17.0.2',
    guest: { name: 'eth0', mac: '02:42:ac:11:00:02', dhcp4: true },
  });
  const macs = typed(nic).flatMap((line) => / address ((?:[0-9a-f]{2}:){5}[0-9a-f]{2})/.exec(line)?.[1] ?? []);
  expect(new Set([...macs, '52:54:00:00:00:00', '02:42:ac:11:00:02']).size).toBe(4);
  for (const mac of macs) expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2);
});

test('the link is released when the bridge and its fence are there, and is back before they go', () => {
  const nic = planned('docker-bridge');
  const order = ['link add name vbr0', 'nft -f -', 'set dev eth0 down', 'set dev eth0 master vbr0 up', 'route add'];
  const places = order.map((words) => typed(nic).findLastIndex((line) => line.includes(words)));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places).not.toContain(-1);
  const undone = nic.commands.flatMap(({ undo }) => (undo ? [undo.args.join(' ')] : [])).reverse();
  expect(undone[0]).toBe('-force -batch -');
  expect(undone.slice(-2)).toEqual(['link delete vbr0', 'delete table ip virtainers0_before']);
});

test('a macvlan, which hears its own MAC alone, keeps it; the bridge sends it to the tap', () => {
  const lines = typed(planned('docker-macvlan'));
  expect(lines.join('\n')).not.toContain('link set dev eth0 address');
  expect(lines.filter((line) => line.startsWith('bridge '))).toEqual([
    'bridge fdb delete 02:42:c0:a8:01:32 dev eth0 master',
    'bridge fdb add 02:42:c0:a8:01:32 dev vm0 master static',
  ]);
});

test('an ipvlan cannot give its MAC away; the hint names what can be done', () => {
  const snapshot = recorded('docker-bridge');
  const links = snapshot.links.map((link) => ({ ...link, kind: 'ipvlan' }));
  const attempt = () => planned('docker-bridge', { snapshot: { ...snapshot, links } });
  expect(attempt).toThrow(/eth0 is an ipvlan/);
});

test('B13: the fence lets nothing of ours out but what has the guest’s address, and that only where a resolver needs it', () => {
  const plain = rules(planned('docker-bridge'));
  expect(plain).toMatch(/ingress device "vm0" [^}]*udp sport 68 udp dport 67 ether daddr set 5a:54:00:00:00:00 /);
  expect(plain).toMatch(/ingress device "eth0" [^}]*udp sport 67 udp dport 68 drop/);
  expect(plain).not.toContain('oifname "eth0"');
  expect(plain).not.toContain('snat');
  const resolving = rules(planned('docker-two-networks'));
  expect(resolving).toContain('snat to 172.18.0.2:61000-61999');
  expect(resolving).toContain('oifname "eth0" ip saddr 172.18.0.2 ether saddr set 02:42:ac:12:00:02 accept');
});

test('with NO_DHCP the bridge hears and says nothing at all', () => {
  const silent = rules(planned('docker-two-networks', { options: { dhcp: false } }));
  expect(silent.match(/policy drop/g)).toHaveLength(2);
  expect(silent).not.toMatch(/accept;?$/m);
});

test('IPv6 moves by cloud-init: static addresses with their route, announced ones by the announcement', () => {
  expect(planned('ipv6-only').guest).toMatchObject({
    dhcp4: false,
    acceptRa: false,
    addresses: ['fd00:dead:beef::2/64'],
    routes: [{ to: '::/0', via: 'fd00:dead:beef::1', onLink: false }],
    nameservers: ['fd00:dead:beef::53'],
  });
  const snapshot = recorded('ipv6-only');
  const links = snapshot.links.map((link) => ({
    ...link,
    addresses: link.addresses.map((address) => ({ ...address, dynamic: true })),
  }));
  const announced = planned('ipv6-only', { snapshot: { ...snapshot, links, routes: [] } });
  expect(announced.guest).toMatchObject({ acceptRa: true, addresses: [] });
  expect(announced.daemons).toEqual([]);
});

test.for([
  ['169.254.1.1', undefined, '169.254.77.1'],
  ['169.254.77.1', undefined, '169.254.78.1'],
  ['172.17.0.1', '169.254.0.0/16', '169.254.77.1'],
  ['172.17.0.1', '169.254.64.0/18', '169.254.128.1'],
] as const)('with the gateway %s and a route to %s our side is %s', ([gateway, destination, leg]) => {
  const snapshot = recorded('docker-bridge');
  const common = { family: 4, device: 'eth0', metric: 0, protocol: 'boot' } as const;
  const routes = [
    { ...common, destination: 'default', gateway },
    ...(destination ? [{ ...common, destination, gateway: undefined }] : []),
  ];
  expect(typed(planned('docker-bridge', { snapshot: { ...snapshot, routes } }))).toContain(
    `ip address add ${leg}/32 dev vbr0`,
  );
});

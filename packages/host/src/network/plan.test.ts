import { formatPrefix, VirtainersError } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import { docker } from '../engine/docker.ts';
import type { EngineDialect, EngineInfo } from '../engine/engine.ts';
import { podman } from '../engine/podman.ts';
import { hostNetworks, prefix } from '../testing/networks.ts';
import { networkNotes, nextSteps } from './advice.ts';
import type { HostNetworks } from './host.ts';
import { type NetworkFindings, planNetwork } from './plan.ts';
import { type NetworkWords, readWish } from './wish.ts';

const info: EngineInfo = {
  version: '20.10.24',
  rootless: false,
  selinux: false,
  kernel: '6.1.0',
  namesInterfaces: false,
};
const bridge = { name: 'bridge', driver: 'bridge', subnets: [{ prefix: prefix('172.17.0.0/16') }] };

let host: HostNetworks;

beforeAll(async () => {
  host = await hostNetworks();
});

function findingsOf(dialect: EngineDialect, changes: Partial<EngineInfo> = {}): NetworkFindings {
  const engine = { dialect, info: { ...info, ...changes } };
  return { engine, host, engines: [{ engine: dialect.name, networks: [bridge] }] };
}

function wishOf(words: Partial<NetworkWords>) {
  return readWish({ name: 'lab', subnet: [], ipRange: [], gateway: [], external: false, ...words });
}

const plan = (words: Partial<NetworkWords>, findings: NetworkFindings) => planNetwork(wishOf(words), findings);

const CREATE = 'network create --driver bridge --label io.virtainers.network=1';

test.each([docker, podman])('$name, nothing asked for: a free /24 and its first address', (dialect) => {
  const { args } = plan({}, findingsOf(dialect));
  expect(args.join(' ')).toBe(`${CREATE} --subnet 172.28.0.0/24 --gateway 172.28.0.1 lab`);
});

test.each([docker, podman])('$name, by hand', (dialect) => {
  const words = { subnet: ['172.28.100.0/24'], ipRange: ['172.28.100.2/32'], gateway: ['172.28.100.254'] };
  expect(plan(words, findingsOf(dialect)).args.join(' ')).toBe(
    `${CREATE} --subnet 172.28.100.0/24 --ip-range 172.28.100.2/32 --gateway 172.28.100.254 lab`,
  );
});

test('IPv6 turns itself on; what has a range comes first, for Podman counts', () => {
  const words = { subnet: ['fd00:9::/64'], ipRange: ['fd00:9::100/120'] };
  expect(plan(words, findingsOf(podman)).args.join(' ')).toBe(
    `${CREATE} --ipv6 --subnet fd00:9::/64 --ip-range fd00:9::100/120 --gateway fd00:9::1` +
      ' --subnet 172.28.0.0/24 --gateway 172.28.0.1 lab',
  );
});

test('a macvlan network takes the LAN of its parent, and its router', () => {
  const words = { macvlan: 'eth0', ipRange: ['192.168.2.224/27'] };
  expect(plan(words, findingsOf(docker)).args.join(' ')).toBe(
    'network create --driver macvlan --label io.virtainers.network=1 --subnet 192.168.2.0/24' +
      ' --ip-range 192.168.2.224/27 --gateway 192.168.2.1 --opt parent=eth0 lab',
  );
});

test('a bridge in the LAN: an older Docker lets its addresses be, a newer one is told to', () => {
  const words = { external: true, subnet: ['192.168.2.224/27'] };
  const own = `--subnet 192.168.2.224/27 --gateway 192.168.2.225`;
  expect(plan(words, findingsOf(docker)).args.join(' ')).toBe(`${CREATE} ${own} lab`);
  expect(plan(words, findingsOf(docker, { version: '28.5.2' })).args.join(' ')).toBe(
    `${CREATE} ${own} --opt com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected lab`,
  );
});

test.each<[string, Partial<NetworkWords>, EngineDialect, Partial<EngineInfo>, string]>([
  [
    'no such parent',
    { macvlan: 'eth9' },
    docker,
    {},
    'this machine has no interface eth9; on a network are eth0 (192.168.2.0/24)',
  ],
  ['a parent without an address', { macvlan: 'eth1' }, docker, {}, 'give --subnet too; eth1 has no IPv4 address'],
  [
    "a range outside the parent's LAN",
    { macvlan: 'eth0', ipRange: ['10.1.0.0/24'] },
    docker,
    {},
    'is not within 192.168.2.0/24',
  ],
  ['rootless macvlan', { macvlan: 'eth0' }, podman, { rootless: true }, '--macvlan: a rootless engine'],
  [
    'rootless external',
    { external: true, subnet: ['192.168.2.224/27'] },
    podman,
    { rootless: true },
    '--external: a rootless engine',
  ],
  [
    "Podman's bridge in the LAN",
    { external: true, subnet: ['192.168.2.224/27'] },
    podman,
    {},
    '--macvlan eth0 --ip-range 192.168.2.224/27 gives guests the same addresses',
  ],
  [
    'external, elsewhere',
    { external: true, subnet: ['10.7.0.0/24'] },
    docker,
    {},
    '10.7.0.0/24 is no part of a network that this machine is in, or all of it; it is in eth0 (192.168.2.0/24)',
  ],
  ['external, all of it', { external: true, subnet: ['192.168.2.0/24'] }, docker, {}, 'or all of it'],
  [
    "external, this machine's address in it",
    { external: true, subnet: ['192.168.2.128/25'] },
    docker,
    {},
    'holds 192.168.2.160, the address of eth0',
  ],
  [
    "external, the LAN's gateway in it",
    { external: true, subnet: ['192.168.2.0/30'] },
    docker,
    {},
    'holds 192.168.2.1, a gateway',
  ],
])('%s is refused', (_name, words, dialect, changes, message) => {
  const attempt = () => plan(words, findingsOf(dialect, changes));
  expect(attempt).toThrow(expect.objectContaining({ code: 'ARGUMENTS_BAD' }));
  expect(attempt).toThrow(message);
});

function overlapOf(words: Partial<NetworkWords>, findings = findingsOf(docker)) {
  try {
    plan(words, findings);
  } catch (error) {
    if (error instanceof VirtainersError) return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  return undefined;
}

test('every overlap is named, with its prefix', () => {
  expect(overlapOf({ subnet: ['172.17.8.0/24', 'fd42::/96'] })).toEqual({
    code: 'NETWORK_OVERLAPS',
    message:
      "making the network lab:\n  172.17.8.0/24 overlaps 172.17.0.0/16: docker's network bridge\n" +
      "  fd42::/96 overlaps fd42::/64: this machine's eth0, which has fd42::160",
    hint: expect.stringContaining('leave --subnet out'),
  });
});

test('a part of the LAN: the hint says which option means it', () => {
  expect(overlapOf({ subnet: ['192.168.2.224/27'] })?.hint).toContain('or give --external');
  for (const subnet of [['10.99.1.0/24'], ['192.168.0.0/16'], ['172.17.8.0/24']]) {
    expect(overlapOf({ subnet })?.hint).not.toContain('--external');
  }
});

test("on the LAN, only the LAN's own network is expected", () => {
  expect(overlapOf({ macvlan: 'eth0', subnet: ['192.168.2.0/24'] })).toBeUndefined();
  expect(overlapOf({ macvlan: 'eth0', subnet: ['172.17.0.0/16'] })?.message).toContain("docker's network bridge");
  expect(overlapOf({ macvlan: 'eth1', subnet: ['192.168.2.0/24'] })?.hint).toContain('--external');
  expect(overlapOf({ macvlan: 'eth1', subnet: ['192.168.2.0/24'], external: true })).toBeUndefined();
  const taken = { name: 'lan', driver: 'macvlan', subnets: [{ prefix: prefix('192.168.2.0/24') }] };
  const findings = { ...findingsOf(docker), engines: [{ engine: 'podman' as const, networks: [taken] }] };
  const external = { external: true, subnet: ['192.168.2.224/27'] };
  expect(overlapOf(external, findings)?.message).toContain("overlaps 192.168.2.0/24: podman's network lan");
});

test('two interfaces in one LAN: either can be the parent', () => {
  const [lan] = host.links.filter(({ name }) => name === 'eth0');
  const twin = { name: 'eth2', addresses: lan?.addresses ?? [] };
  const findings = { ...findingsOf(docker), host: { ...host, links: [...host.links, twin] } };
  expect(plan({ macvlan: 'eth2' }, findings).args.join(' ')).toContain('--subnet 192.168.2.0/24');
});

test('a network inside the part of the LAN that is asked for is not the LAN around it', () => {
  const inside = { family: 4, prefix: prefix('192.168.2.240/28'), device: 'virbr0', gateway: undefined } as const;
  const findings = { ...findingsOf(docker), host: { ...host, routes: [...host.routes, inside] } };
  const refused = overlapOf({ external: true, subnet: ['192.168.2.224/27'] }, findings);
  expect(refused?.message).toContain('overlaps 192.168.2.240/28: a route of this machine on virbr0');
});

test('an engine elsewhere: its networks count, this machine’s do not', () => {
  const findings = { ...findingsOf(docker), host: undefined };
  expect(plan({ subnet: ['192.168.2.0/24'] }, findings).subnets.map((each) => formatPrefix(each.prefix))).toEqual([
    '192.168.2.0/24',
  ]);
  expect(overlapOf({ subnet: ['172.17.8.0/24'] }, findings)?.message).toContain("docker's network bridge");
  expect(() => plan({ macvlan: 'eth0' }, findings)).toThrow('give --subnet too; the engine runs on another machine');
});

test('what is left to a person: the way to the guests, and an older Docker’s firewall', () => {
  const wish = wishOf({ external: true, subnet: ['192.168.2.224/27'] });
  const commands = (findings: NetworkFindings) =>
    nextSteps(wish, planNetwork(wish, findings), findings).map(({ command }) => command);
  const ways = ['ip route add 192.168.2.224/27 via 192.168.2.225', 'sysctl -w net.ipv4.conf.eth0.proxy_arp=1'];
  expect(commands(findingsOf(docker))).toEqual([
    'iptables -I DOCKER-USER -i eth0 -d 192.168.2.224/27 -j ACCEPT',
    ...ways,
  ]);
  expect(commands(findingsOf(docker, { version: '28.5.2' }))).toEqual(ways);
  const plainWish = wishOf({});
  expect(nextSteps(plainWish, planNetwork(plainWish, findingsOf(docker)), findingsOf(docker))).toEqual([]);
});

test.each<[string, Partial<NetworkWords>, string[]]>([
  ['a bridge', {}, []],
  ['macvlan with a range', { macvlan: 'eth0', ipRange: ['192.168.2.224/27'] }, ['this machine itself cannot reach']],
  ['macvlan without', { macvlan: 'eth0' }, ['cannot reach', 'docker may give a guest any address of 192.168.2.0/24']],
  [
    'macvlan on a link without a default route',
    { macvlan: 'eth1', subnet: ['10.4.0.0/24'], ipRange: ['10.4.0.128/25'] },
    ['cannot reach', 'eth1 has no default route: is 10.4.0.1 its gateway?'],
  ],
  ['external', { external: true, subnet: ['192.168.2.224/27'] }, ['open to the LAN']],
])('notes: %s', (_name, words, notes) => {
  const wish = wishOf(words);
  const said = networkNotes(wish, planNetwork(wish, findingsOf(docker)), findingsOf(docker));
  expect(said).toEqual(notes.map((note) => expect.stringContaining(note)));
});

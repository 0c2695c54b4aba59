import fc from 'fast-check';
import { expect, test } from 'vitest';
import { noOptions } from '../testing/networks.ts';
import { readNetwork } from './network.ts';
import { Reader } from './reader.ts';
import type { SettingName } from './settings.ts';

type Env = Partial<Record<SettingName, string>>;

function read(env: Env) {
  const reader = new Reader(env);
  const settings = readNetwork(reader, [{ protocol: 'tcp', port: 22 }]);
  return { ...settings, problems: reader.problems };
}

const all = (mode: string, by: string) => ({ kind: 'all', mode, by });

test('without any setting: auto, every interface, DHCP, the ports of the image', () => {
  expect(read({})).toEqual({
    ask: { kind: 'auto' },
    options: noOptions,
    problems: [],
  });
});

test.for([
  ['auto', { kind: 'auto' }],
  [' AUTO ', { kind: 'auto' }],
  ['nat', all('nat', 'NETWORK_MODE')],
  ['Bridge', all('bridge', 'NETWORK_MODE')],
  ['macvtap', all('macvtap', 'NETWORK_MODE')],
  ['host-bridge', all('host-bridge', 'NETWORK_MODE')],
  ['passt', all('passt', 'NETWORK_MODE')],
  ['user', all('user', 'NETWORK_MODE')],
  ['none', all('none', 'NETWORK_MODE')],
  ['eth0=nat', { kind: 'each', modes: [{ link: 'eth0', mode: 'nat' }] }],
  [
    'eth1=macvtap, eth0=NAT',
    {
      kind: 'each',
      modes: [
        { link: 'eth1', mode: 'macvtap' },
        { link: 'eth0', mode: 'nat' },
      ],
    },
  ],
] as const)('NETWORK_MODE=%j', ([text, ask]) => {
  expect(read({ NETWORK_MODE: text })).toMatchObject({ ask, problems: [] });
});

test.for([
  'natt',
  'nat bridge',
  'nat eth0=bridge',
  'eth0=',
  '=nat',
  'eth0=auto',
  'eth0=nat=user',
  'eth0=nat eth0=user',
  'eth0;reboot=nat',
  '-f=nat',
  'a-name-of-16-byte=nat',
  ' ',
])('NETWORK_MODE=%j is a problem, and what the seeds call for is not taken in its place', (text) => {
  const { ask, problems } = read({ NETWORK_MODE: text, BRIDGE_IF: 'br0' });
  expect(problems).toEqual([expect.stringMatching(/^ {2}NETWORK_MODE=.*allowed: auto, nat, bridge/)]);
  expect(ask).toEqual({ kind: 'auto' });
});

test.for<[Env, object]>([
  [{ BRIDGE_IF: 'br0' }, all('host-bridge', 'BRIDGE_IF')],
  [{ NO_DHCP: 'true' }, all('bridge', 'NO_DHCP')],
  [{ NO_DHCP: 'false' }, all('bridge', 'NO_DHCP')],
  [{ BRIDGE_IF: 'br0', NO_DHCP: 'true', AUTO_ATTACH: 'Yes' }, all('host-bridge', 'BRIDGE_IF')],
  [{ AUTO_ATTACH: 'Yes' }, all('macvtap', 'AUTO_ATTACH')],
  [{ ATTACH_IFACES: 'eth1' }, all('macvtap', 'ATTACH_IFACES')],
  [{ SELECTED_NETWORK: '10.0.0.0/8' }, all('macvtap', 'SELECTED_NETWORK')],
  [{ ENABLE_DHCP: 'N' }, all('macvtap', 'ENABLE_DHCP')],
  [{ DNSMASQ_OPTS: '--log-dhcp' }, all('macvtap', 'DNSMASQ_OPTS')],
  [{ DNS_SERVERS: '9.9.9.9' }, all('macvtap', 'DNS_SERVERS')],
  [{ USE_NET_BRIDGES: 'n' }, all('macvtap', 'USE_NET_BRIDGES')],
  [{ USE_NET_BRIDGES: 'Y' }, all('bridge', 'USE_NET_BRIDGES')],
  [{ AUTO_ATTACH: 'y', USE_NET_BRIDGES: '1' }, all('bridge', 'USE_NET_BRIDGES')],
  [{ PORTS: '22', CIDR: '10.1.2' }, { kind: 'auto' }],
])('a seed’s %j selects its mode', ([env, ask]) => {
  expect(read(env)).toMatchObject({ ask, problems: [] });
  expect(read({ ...env, NETWORK_MODE: 'user' }).ask).toEqual(all('user', 'NETWORK_MODE'));
  expect(read({ ...env, NETWORK_MODE: 'auto' }).ask).toEqual({ kind: 'auto' });
});

test.for<[Env, readonly string[] | undefined]>([
  [{ AUTO_ATTACH: 'yes' }, undefined],
  [{ AUTO_ATTACH: 'yes', ATTACH_IFACES: 'eth1' }, undefined],
  [{ AUTO_ATTACH: 'no', ATTACH_IFACES: 'eth1  eth0 eth1' }, ['eth1', 'eth0']],
  [{ AUTO_ATTACH: 'no' }, []],
  [{ ATTACH_IFACES: 'eth1,eth2' }, ['eth1', 'eth2']],
])('BBVA/kvm: %j', ([env, attach]) => {
  expect(read(env).options.attach).toEqual(attach);
});

test.for<[string, boolean | undefined]>([
  ['y', true],
  ['Yes', true],
  ['YEAH', true],
  ['1', true],
  ['n', false],
  ['Nope', false],
  ['no', false],
  ['0', false],
  ['true', undefined],
  ['on', undefined],
  ['false', undefined],
  [' yes', undefined],
])("BBVA/kvm's own spelling of yes and no: %j", ([text, meant]) => {
  for (const name of ['AUTO_ATTACH', 'USE_NET_BRIDGES', 'ENABLE_DHCP'] as const) {
    const { problems } = read({ [name]: text });
    expect(problems).toEqual(meant === undefined ? [expect.stringContaining(`${name}=${JSON.stringify(text)}`)] : []);
  }
  expect(read({ ENABLE_DHCP: text }).options.dhcp).toBe(meant ?? true);
});

test('RancherVM: whatever NO_DHCP is, it means yes', () => {
  for (const text of ['true', 'no', '0']) expect(read({ NO_DHCP: text }).options.dhcp).toBe(false);
  expect(read({ NO_DHCP: '' }).options.dhcp).toBe(true);
  expect(read({ NO_DHCP: 'true', ENABLE_DHCP: 'yes' }).options.dhcp).toBe(false);
});

test.for<[Env, string | undefined]>([
  [{ NETWORK_MODE: 'nat', ENABLE_DHCP: 'no' }, 'ENABLE_DHCP'],
  [{ NETWORK_MODE: 'nat', NO_DHCP: 'true' }, 'NO_DHCP'],
  [{ NETWORK_MODE: 'nat', NO_DHCP: 'true', ENABLE_DHCP: 'no' }, 'NO_DHCP'],
  [{ NETWORK_MODE: 'auto', NO_DHCP: 'true' }, 'NO_DHCP'],
  [{ NETWORK_MODE: 'passt', NO_DHCP: 'true' }, 'NO_DHCP'],
  [{ NETWORK_MODE: 'eth0=user eth1=nat', NO_DHCP: 'true' }, 'NO_DHCP'],
  [{ NETWORK_MODE: 'eth0=nat eth1=bridge', NO_DHCP: 'true' }, undefined],
  [{ NETWORK_MODE: 'bridge', NO_DHCP: 'true' }, undefined],
  [{ NETWORK_MODE: 'macvtap', ENABLE_DHCP: 'no' }, undefined],
  [{ NETWORK_MODE: 'host-bridge', NO_DHCP: 'true', BRIDGE_IF: 'br0' }, undefined],
  [{ NETWORK_MODE: 'none', NO_DHCP: 'true' }, undefined],
  [{ NETWORK_MODE: 'nat', ENABLE_DHCP: 'yes' }, undefined],
  [{ NO_DHCP: 'true' }, undefined],
  [{ ENABLE_DHCP: 'no' }, undefined],
])('%j: no DHCP of ours where there is no other is a contradiction, by both names', ([env, name]) => {
  const { problems } = read(env);
  if (name === undefined) expect(problems).toEqual([]);
  else {
    const said = new RegExp(`^ {2}${name}=.*NETWORK_MODE=${env.NETWORK_MODE} .*unset ${name}, or set NETWORK_MODE`);
    expect(problems).toEqual([expect.stringMatching(said)]);
  }
});

test('a NETWORK_MODE that is not allowed is one problem, not two', () => {
  expect(read({ NETWORK_MODE: 'natt', NO_DHCP: 'true' }).problems).toHaveLength(1);
});

test('options and servers', () => {
  const { options } = read({
    DNSMASQ_OPTS: '--log-dhcp  --txt-record=a,"two words" \'--dhcp-option=3,1.2.3.4\'',
    DNS_SERVERS: '9.9.9.9 fd00::53',
    SELECTED_NETWORK: '10.0.0.1',
    PORTS: '22,53/udp',
    CIDR: '10.9.8.0/24',
  });
  expect(options).toMatchObject({
    dnsmasqOptions: ['--log-dhcp', '--txt-record=a,two words', '--dhcp-option=3,1.2.3.4'],
    dnsServers: ['9.9.9.9', 'fd00::53'],
    selectedNetwork: '10.0.0.1/32',
    ports: [
      { protocol: 'tcp', port: 22 },
      { protocol: 'udp', port: 53 },
    ],
    cidr: '10.9.8',
  });
});

test('all problems at once', () => {
  const env: Env = {
    NETWORK_MODE: 'vlan',
    AUTO_ATTACH: 'perhaps',
    ATTACH_IFACES: 'eth0 $(reboot)',
    SELECTED_NETWORK: '10.0.0.0/33',
    USE_NET_BRIDGES: 'x',
    ENABLE_DHCP: 'x',
    DNSMASQ_OPTS: '"open',
    DNS_SERVERS: 'dns.example',
    BRIDGE_IF: '-br0',
    PORTS: '0',
    CIDR: '300.1.1',
  };
  const named = read(env).problems.map((line) => line.trim().split('=')[0]);
  expect(named.sort()).toEqual(Object.keys(env).sort());
});

test('no environment makes it throw, and no name of an interface that comes out of it means more than a name', () => {
  const hostile = fc.string({ unit: fc.constantFrom(...'eth0=nat,br1 \n\t;$()`|&<>"\'\\*?~#-./@:x'), maxLength: 30 });
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    hostile,
    hostile.map((name) => `${name}=nat`),
  );
  const env = fc.record({ NETWORK_MODE: text, ATTACH_IFACES: text, BRIDGE_IF: text }, { requiredKeys: [] });
  fc.assert(
    fc.property(env, (given) => {
      const { ask, options } = read(given);
      const links = ask.kind === 'each' ? ask.modes.map(({ link }) => link) : [];
      const names = [...links, ...(options.attach ?? []), ...(options.bridge === undefined ? [] : [options.bridge])];
      for (const name of names) expect(name).toMatch(/^\w[\w.-]{0,14}$/);
      expect(new Set(links).size).toBe(links.length);
    }),
    { numRuns: 2000 },
  );
});

import { beforeAll, expect, test } from 'vitest';
import { MODE_NAMES, type NetworkPlan } from '../../packages/runtime/src/network/mode.ts';
import {
  type NetworkSnapshot,
  parseLinks,
  parseRoutes,
  type Route,
} from '../../packages/runtime/src/network/snapshot.ts';
import { askFor, planFor, RECORDED, recorded } from '../../packages/runtime/src/testing/networks.ts';
import { exec, requireTool } from '../helpers/process.ts';

beforeAll(() => requireTool('dnsmasq', 'ip', 'nft', 'unshare'));

interface Case {
  readonly title: string;
  readonly snapshot: NetworkSnapshot;
  readonly plan: NetworkPlan;
}

/** Every plan of a mode, in every network that was recorded; a network that a mode refuses has none. */
const CASES = MODE_NAMES.flatMap((mode) =>
  RECORDED.flatMap((name): Case[] => {
    const inHost = name.startsWith('host-');
    const snapshot = recorded(name);
    const options = inHost ? { bridge: 'br0' } : {};
    try {
      const plan = planFor({ snapshot, ask: askFor(mode), options, means: { hostNetwork: inHost } });
      return [{ title: `${mode} in ${name}`, snapshot, plan }];
    } catch (error) {
      expect(error).toMatchObject({ code: 'NETWORK_UNAVAILABLE' });
      return [];
    }
  }),
);

const changing = CASES.filter(({ plan }) => plan.nics.some(({ commands }) => commands.length > 0));

/** In a network namespace with the same links, addresses and routes; dnsmasq looks for its device there. */
test.for(changing)(
  'it is carried out, dnsmasq takes what it is told, it is undone without a trace: $title',
  async ({ snapshot, plan }) => {
    const commands = plan.nics.flatMap((nic) => nic.commands);
    const undos = commands.flatMap(({ undo }) => undo ?? []).reverse();
    const script = [
      ...building(snapshot),
      ...LOOK,
      ...commands.map(typed),
      ...plan.nics
        .flatMap(({ daemons }) => daemons)
        .map(({ file, args }) => typed({ file, args: [...args, '--test'] })),
      'echo; echo',
      ...undos.map(typed),
      ...LOOK,
      'nft list ruleset',
    ].join('\n');
    const { stdout } = await exec('unshare', ['-n', '-m', 'sh', '-eu'], { input: script });
    const [before, after] = stdout.split('\n\n\n');
    const [links, routes, routes6, rules] = (after ?? '').trimStart().split('\n');
    expect(seen([links, routes, routes6])).toEqual(seen((before ?? '').split('\n')));
    expect(rules ?? '').toBe('');
    expect(seen((before ?? '').split('\n')).links.map(({ name }) => name)).toEqual(
      snapshot.links.map(({ name }) => name).filter((name) => name !== 'lo'),
    );
  },
);

const LOOK = ['ip -json -details address show', 'ip -json -4 route show', 'ip -json -6 route show'];

function seen([links, routes, routes6]: readonly (string | undefined)[]) {
  const own = parseLinks(links ?? '').filter(({ name }) => !name.startsWith('far'));
  const made = [...parseRoutes(routes ?? '', 4), ...parseRoutes(routes6 ?? '', 6)];
  return { links: own, routes: made.filter((route) => !route.destination.startsWith('fe80:')).sort(byText) };
}

function byText(a: Route, b: Route): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** But for what a router announces: there is none here. */
function building({ links, routes }: NetworkSnapshot): string[] {
  const ordered = [...links].sort((a, b) => Number(b.kind === 'bridge') - Number(a.kind === 'bridge'));
  return [
    'ip link set lo up',
    ...ordered.flatMap(({ name, mac, mtu, kind, master, addresses }, index) => [
      kind === 'bridge'
        ? `ip link add ${name} address ${mac} type bridge`
        : `ip link add ${name} address ${mac} mtu ${mtu} type veth peer name far${index} mtu ${mtu}`,
      ...(kind === 'bridge' ? [] : [`ip link set far${index} addrgenmode none up`]),
      ...(master ? [`ip link set ${name} master ${master}`] : []),
      `ip link set ${name} up`,
      ...addresses
        .filter(({ dynamic }) => !dynamic)
        .map(({ family, address, prefix }) => {
          const more = family === 6 ? 'nodad' : prefix < 31 ? 'broadcast +' : '';
          return `ip address add ${address}/${prefix} dev ${name} ${more}`;
        }),
    ]),
    ...[...routes]
      .filter(({ protocol }) => protocol !== 'kernel' && protocol !== 'ra')
      .sort((a, b) => Number(a.gateway !== undefined) - Number(b.gateway !== undefined))
      .map(({ family, destination, gateway, device, metric, protocol }) => {
        const other = family === 4 && gateway?.includes(':') ? 'inet6 ' : '';
        const via = gateway === undefined ? '' : `via ${other}${gateway}`;
        return `ip -${family} route add ${destination} ${via} dev ${device} metric ${metric} protocol ${protocol}`;
      }),
  ];
}

function typed({
  file,
  args,
  input,
}: {
  readonly file: string;
  readonly args: readonly string[];
  readonly input?: string;
}) {
  const line = [file, ...args].map(quoted).join(' ');
  return input === undefined ? line : `printf %s ${quoted(input)} | ${line}`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

test('dnsmasq takes whatever a resolv.conf and a hostname can bring', async () => {
  const snapshot = recorded('docker-dual-stack');
  const search = Array.from({ length: 32 }, (_, index) => `namespace-${index}.svc.cluster.example`);
  const routes = Array.from({ length: 90 }, (_, index) => ({
    family: 4 as const,
    destination: `10.${index}.0.0/16`,
    gateway: '172.21.0.9',
    device: 'eth0',
    metric: 0,
    protocol: 'static',
  }));
  for (const hostname of ['ignore', '12d', '_x', 'x'.repeat(64), 'bücher', 'a_b.lan.example', '']) {
    const resolver = { nameservers: [], search };
    const { nics } = planFor({ snapshot: { ...snapshot, routes, hostname, resolver }, ask: askFor('nat') });
    for (const { file, args } of nics.flatMap(({ daemons }) => daemons)) await exec(file, [...args, '--test']);
  }
});

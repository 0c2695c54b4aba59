import { VirtainersError } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { askFor, planFor } from '../testing/networks.ts';
import { type Command, MODE_NAMES, type NetworkPlan, type NicPlan } from './mode.ts';
import { type Address, type Link, type NetworkSnapshot, parseResolver } from './snapshot.ts';

const name = fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,14}$/).filter((text) => !/^(vm|vbr|vleg)\d/.test(text));
const mac = fc
  .array(fc.nat(255), { minLength: 6, maxLength: 6 })
  .map((bytes) => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.record({ family: fc.constant(4 as const), address: fc.ipV4(), prefix: fc.nat(32), dynamic: fc.boolean() }),
  fc.record({
    family: fc.constant(6 as const),
    // As ip prints it: no IPv4 at its end.
    address: fc.ipV6().filter((text) => !text.includes('.')),
    prefix: fc.nat(128),
    dynamic: fc.boolean(),
  }),
);
const kind = fc.constantFrom(undefined, 'veth', 'macvlan', 'tun', 'bridge');
const link: fc.Arbitrary<Link> = fc.record({
  name,
  mac,
  mtu: fc.integer({ min: 1280, max: 65520 }),
  kind,
  master: fc.constantFrom(undefined, undefined, 'br0'),
  addresses: fc.array(address, { maxLength: 4 }),
});
const links = fc.uniqueArray(link, { selector: (each) => each.name, maxLength: 6 });

/** Any container's, of which one in two has a default route or some. */
const snapshot: fc.Arbitrary<NetworkSnapshot> = links.chain((all) => {
  const device = all.length > 0 ? fc.constantFrom(...all.map((each) => each.name)) : fc.constant('gone');
  const route = fc
    .tuple(address, device, fc.boolean(), fc.option(address, { nil: undefined }), fc.nat(2000))
    .map(([to, at, leadsOut, via, metric]) => ({
      family: to.family,
      destination: leadsOut ? 'default' : `${to.address}/${to.prefix}`,
      gateway: via && (via.family === to.family || via.family === 6) ? via.address : undefined,
      device: at,
      metric,
      protocol: 'static',
    }));
  return fc.record({
    links: fc.constant(all),
    routes: fc.array(route, { maxLength: 6 }),
    resolver: fc
      .array(fc.string(), { maxLength: 3 })
      .map((lines) => parseResolver(`search ${lines.join('\nsearch ')}`)),
    hostname: fc.oneof(fc.string({ maxLength: 64 }), fc.constantFrom('box', 'box.lan.example')),
  });
});

const means = fc.record({ hostNetwork: fc.boolean(), ipv6Forwarding: fc.boolean(), vhostNet: fc.boolean() });
const cidr = fc.tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255)).map((bytes) => bytes.join('.'));

/** Every plan that a container could get: of each mode, for interfaces that are named where they have to be. */
function everyPlan(check: (plan: NetworkPlan) => void): void {
  fc.assert(
    fc.property(fc.constantFrom(...MODE_NAMES), snapshot, means, cidr, (mode, given, allowed, wished) => {
      const attach = allowed.hostNetwork ? given.links.map((each) => each.name) : undefined;
      const bridge = given.links.find((each) => each.kind === 'bridge')?.name;
      const options = { attach, bridge, cidr: wished };
      try {
        check(planFor({ snapshot: given, ask: askFor(mode), options, means: allowed }));
      } catch (error) {
        // There is nothing to take over, or no bridge to join.
        if (!(error instanceof VirtainersError) || error.code !== 'NETWORK_UNAVAILABLE') throw error;
      }
    }),
    { numRuns: 500 },
  );
}

const commandsOf = (nic: NicPlan): Command[] => [
  ...nic.commands,
  ...nic.commands.flatMap(({ undo }) => undo ?? []),
  ...nic.leftovers,
  ...nic.daemons,
];

test('no network of a container makes a plan throw; each word of a command is one, and an option only where we say so', () => {
  everyPlan(({ nics }) => {
    for (const { file, args } of nics.flatMap(commandsOf)) {
      expect(['ip', 'nft', 'dnsmasq', 'bridge']).toContain(file);
      for (const word of args) {
        expect(word).toMatch(/^[\x21-\x7e]+$/);
        if (word.startsWith('-')) expect(word).toMatch(/^(-|-f|-force|-batch|--[a-z][a-z0-9-]+(=.*)?)$/);
      }
    }
  });
}, 60_000);

test('two NICs share no device, no MAC of ours, no inner network, no table and no lease file', () => {
  const tablesOf = (nic: NicPlan) =>
    nic.commands.flatMap(({ input = '' }) => [...input.matchAll(/^table (\S+ \S+)/gm)].map(([, table]) => table));
  const devicesOf = ({ interface: at }: NicPlan) => (at?.kind === 'tap' ? [at.device] : []);
  const innerOf = ({ interface: at, guestAddress }: NicPlan) =>
    at?.kind === 'user' ? [at.subnet] : guestAddress?.startsWith('169.254.') ? [] : [guestAddress ?? []].flat();
  const filesOf = (nic: NicPlan) =>
    nic.daemons.flatMap(({ args }) => args.filter((word) => /^--(pid-file|dhcp-leasefile|interface)=/.test(word)));
  everyPlan(({ nics }) => {
    for (const facts of [tablesOf, devicesOf, innerOf, filesOf]) {
      const all = nics.flatMap((nic) => [...new Set(facts(nic))]);
      expect(new Set(all).size).toBe(all.length);
    }
  });
});

test('whatever is made is unmade, in the end and after a life that was killed', () => {
  everyPlan(({ nics }) => {
    for (const { commands, leftovers } of nics) {
      const undone = commands.flatMap(({ undo }) => (undo ? [[undo.file, ...undo.args].join(' ')] : []));
      const cleared = leftovers.map(({ file, args }) => [file, ...args].join(' '));
      const made = commands.filter(({ args }) => args[0] === 'tuntap' || (args[0] === 'link' && args[1] === 'add'));
      const tables = commands.flatMap(({ input = '' }) => input.match(/^table /gm) ?? []);
      expect(undone.filter((line) => / delete /.test(line)).length).toBeGreaterThanOrEqual(
        Math.min(made.length, 1) + Math.min(tables.length, 1),
      );
      expect(cleared.length).toBeGreaterThanOrEqual(Math.min(made.length, 1) + Math.min(tables.length, 1));
    }
  });
});

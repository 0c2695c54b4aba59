import fc from 'fast-check';
import { expect, test } from 'vitest';
import { askFor, planFor, RECORDED, recorded } from '../testing/networks.ts';
import { recoveries } from './memory.ts';
import type { NetworkSnapshot } from './snapshot.ts';

const MODES = ['bridge', 'macvtap'] as const;
const NETWORKS = RECORDED.filter((name) => name !== 'docker-none' && !name.startsWith('host-'));

/** What nft would print of all that a plan has it write; it puts tabs and leaves the first two lines out. */
function ruleset(snapshot: NetworkSnapshot, mode: (typeof MODES)[number]): string {
  return planFor({ snapshot, ask: askFor(mode) })
    .nics.flatMap(({ commands }) => commands.flatMap(({ input }) => input ?? []))
    .map((input) => input.replace(/^table [^{]*\ndelete table .*\n/, '').replaceAll('  ', '\t'))
    .join('\n');
}

/** As a takeover leaves it: the interfaces without addresses, and devices of ours. */
function taken({ links, ...rest }: NetworkSnapshot): NetworkSnapshot {
  const [link] = links;
  const ours = links.flatMap((_, index) => ['vm', 'vbr'].map((prefix) => ({ ...link, name: `${prefix}${index}` })));
  return { ...rest, links: [...links, ...ours].map((each) => ({ ...(each as typeof link), addresses: [] })) as never };
}

test.for(MODES)('%s: what brings the interfaces back after a kill is what would have at the end', (mode) => {
  for (const name of NETWORKS) {
    const snapshot = recorded(name);
    const { nics } = planFor({ snapshot, ask: askFor(mode) });
    const undone = nics.flatMap(({ commands }) => commands.flatMap(({ undo }) => undo?.input ?? []));
    const found = recoveries(ruleset(snapshot, mode), taken(snapshot));
    const batches = found.flatMap(({ commands }) => commands.flatMap(({ input }) => input ?? []));
    expect(batches.map((text) => text.replace(/^(link delete \S+\n)+/, ''))).toEqual(undone);
    expect(found.map(({ link }) => link)).toEqual(snapshot.links.map((link) => link.name));
  }
});

test('the fence goes first, then the devices, then the interface is back, and only then it is forgotten', () => {
  const snapshot = recorded('docker-two-networks');
  const [first, second] = recoveries(ruleset(snapshot, 'bridge'), taken(snapshot));
  expect(first?.commands.map(({ file, args }) => [file, ...args].join(' '))).toEqual([
    'nft delete table bridge virtainers0',
    'nft delete table netdev virtainers0',
    'nft delete table ip virtainers0',
    'nft delete table arp virtainers0',
    'ip -force -batch -',
    'nft delete table ip virtainers0_before',
  ]);
  const [, , , , batch] = first?.commands ?? [];
  expect(batch?.input?.split('\n').slice(0, 4)).toEqual([
    'link delete vm0',
    'link delete vbr0',
    'link set dev eth0 nomaster down',
    'link set dev eth0 address 02:42:ac:12:00:02',
  ]);
  expect(second?.commands.at(-1)?.args.join(' ')).toBe('delete table ip virtainers1_before');
});

test('an interface that has its addresses, or is gone, is left alone', () => {
  const snapshot = recorded('docker-bridge');
  const rules = ruleset(snapshot, 'macvtap');
  expect(recoveries(rules, snapshot)).toEqual([]);
  expect(recoveries(rules, { links: [] })).toEqual([]);
  expect(recoveries(rules, taken(snapshot))).toHaveLength(1);
});

test("nothing is kept in the host's network namespace, where nothing of another's is given back either", () => {
  for (const mode of MODES) {
    const ask = { kind: 'each', modes: [{ link: 'eth0', mode }] } as const;
    const [nic] = planFor({ snapshot: recorded('docker-bridge'), ask, means: { hostNetwork: true } }).nics;
    expect(JSON.stringify(nic)).not.toContain('_before');
  }
});

test('each comment is one that nft takes, however many routes there are', () => {
  const snapshot = recorded('docker-bridge');
  const [route] = snapshot.routes;
  const many = Array.from({ length: 300 }, (_, index) => ({ ...(route ?? expect.fail()), metric: index }));
  const rules = ruleset({ ...snapshot, routes: many }, 'bridge');
  const comments = [...rules.matchAll(/comment "(.*)"$/gm)].map(([, text = '']) => text);
  expect(comments.length).toBeGreaterThan(200);
  for (const comment of comments) expect(Buffer.byteLength(comment)).toBeLessThan(128);
  const [found] = recoveries(rules, taken(snapshot));
  expect(found?.commands.at(-2)?.input?.match(/^route add /gm)).toHaveLength(300);
});

const kept = {
  ipv6: false,
  link: { name: 'eth0', mac: '02:42:ac:11:00:02', addresses: [] },
  routes: [{ family: 4, destination: 'default', gateway: '10.0.0.1', device: 'eth0', metric: 0, protocol: 'boot' }],
};
const [route] = kept.routes;
const say = (text: string) =>
  `table ip virtainers0_before {\n\tchain link {\n\t\treturn comment "${text.replaceAll('"', "'")}"\n\t}\n}\n`;
const bare = taken(recorded('docker-bridge'));

test.for([
  ['as we write it', kept, 1],
  ['a name that is more than one', { ...kept, link: { ...kept.link, name: 'eth0 netns exec' } }, 0],
  ['a MAC', { ...kept, link: { ...kept.link, mac: '02:42:ac:11:00:02 up' } }, 0],
  ['a gateway', { ...kept, routes: [{ ...route, gateway: '10.0.0.1 dev lo' }] }, 0],
  ['a scope', { ...kept, routes: [{ ...route, gateway: 'fe80::1%lo' }] }, 0],
  ['a destination', { ...kept, routes: [{ ...route, destination: 'unreachable' }] }, 0],
  ['a protocol', { ...kept, routes: [{ ...route, protocol: '' }] }, 0],
  ['of another version', { link: kept.link, routes: kept.routes }, 0],
  ['nothing', undefined, 0],
] as const)('what others may have put there is not carried out: %s', ([, what, count]) => {
  expect(recoveries(say(JSON.stringify(what) ?? ''), bare)).toHaveLength(count);
});

test('no text makes it throw, or gives a command with a line that is none of ours', () => {
  const word = fc.oneof(fc.string(), fc.constantFrom('eth0', '02:42:ac:11:00:02', '10.0.0.1', 'default', 'x\nlink'));
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map(say),
    fc.tuple(word, word, word, word, word).map(([name, mac, gateway, destination, protocol]) =>
      say(
        JSON.stringify({
          ipv6: true,
          link: { ...kept.link, name, mac },
          routes: [{ ...route, gateway, destination, protocol }],
        }),
      ),
    ),
  );
  const line =
    /^(link delete vm0|link delete vbr0|link set dev eth0 (nomaster down|up|address [0-9a-f:]{17}|addrgenmode eui64)|route add [\w.:/]+ via (inet6 )?[\w.:]+ dev \w+( onlink)? metric \d+ protocol \w+|)$/;
  fc.assert(
    fc.property(text, (given) => {
      const batches = recoveries(given, bare).flatMap(({ commands }) => commands.flatMap(({ input }) => input ?? []));
      for (const each of batches.flatMap((batch) => batch.split('\n'))) expect(each).toMatch(line);
    }),
  );
});

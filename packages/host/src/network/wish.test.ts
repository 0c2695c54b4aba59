import { formatAddress, formatPrefix, VirtainersError } from '@virtainers/core';
import { expect, test } from 'vitest';
import { type NetworkWords, readWish } from './wish.ts';

const plain: NetworkWords = { name: 'lab', subnet: [], ipRange: [], gateway: [], external: false };

function problemsOf(changes: Partial<NetworkWords>): string[] {
  try {
    readWish({ ...plain, ...changes });
    return [];
  } catch (error) {
    if (!(error instanceof VirtainersError)) throw error;
    expect(error.code).toBe('ARGUMENTS_BAD');
    return error.message.split('\n');
  }
}

test('the words of the README by hand', () => {
  const subnet = ['172.28.100.0/24', 'fd00:1::/64'];
  const ipRange = ['172.28.100.2/32'];
  const wish = readWish({ ...plain, subnet, ipRange, gateway: ['172.28.100.1', 'fd00:1::1'] });
  expect(wish.subnets.map(formatPrefix)).toEqual(subnet);
  expect(wish.ranges.map(formatPrefix)).toEqual(ipRange);
  expect(wish.gateways.map(formatAddress)).toEqual(['172.28.100.1', 'fd00:1::1']);
});

test.each<[string, Partial<NetworkWords>, string]>([
  ['a name', { name: '-x' }, '"-x" cannot be a network\'s name'],
  ['a word of the engines', { name: 'host' }, '"host" cannot be a network\'s name'],
  ['no prefix', { subnet: ['lots'] }, '--subnet: "lots" is not a range of addresses'],
  ['host bits', { subnet: ['10.0.0.7/24'] }, '--subnet: 10.0.0.7/24 begins in the middle of its range; 10.0.0.0/24'],
  ['no room', { subnet: ['10.0.0.0/31'] }, '--subnet: 10.0.0.0/31 has no room for a gateway and a guest'],
  ['an address alone', { subnet: ['10.0.0.0'] }, '--subnet: 10.0.0.0/32 has no room'],
  ['two of a family', { subnet: ['10.0.0.0/24', '10.1.0.0/24'] }, '--subnet: at most one of IPv4'],
  ['a range elsewhere', { subnet: ['10.0.0.0/24'], ipRange: ['10.1.0.0/25'] }, '--ip-range: 10.1.0.0/25 is not within'],
  ['a wider range', { subnet: ['10.0.0.0/24'], ipRange: ['10.0.0.0/16'] }, '--ip-range: 10.0.0.0/16 is not within'],
  ['a range alone', { ipRange: ['10.0.0.0/25'] }, '--ip-range: 10.0.0.0/25 needs a --subnet'],
  ['a range of the other family', { subnet: ['10.0.0.0/24'], ipRange: ['fd00::/96'] }, 'fd00::/96 needs a --subnet'],
  ['no gateway', { subnet: ['10.0.0.0/24'], gateway: ['10.0.0.0/24'] }, '--gateway: "10.0.0.0/24" is not an address'],
  ['a gateway elsewhere', { subnet: ['10.0.0.0/24'], gateway: ['10.0.1.1'] }, '--gateway: 10.0.1.1 is not within'],
  [
    'the network itself',
    { subnet: ['10.0.0.0/24'], gateway: ['10.0.0.0'] },
    "--gateway: 10.0.0.0 is the network's own",
  ],
  ['broadcast', { subnet: ['10.0.0.0/24'], gateway: ['10.0.0.255'] }, '--gateway: 10.0.0.255 is the network'],
  ['a gateway alone', { gateway: ['10.0.0.1'] }, '--gateway: 10.0.0.1 needs a --subnet'],
  ['external, which part?', { external: true }, '--external: give --subnet'],
  ['external IPv6', { external: true, subnet: ['fd00::/64'] }, '--external: for IPv4 only'],
  ['macvlan, IPv6 range alone', { macvlan: 'eth0', ipRange: ['fd00::/96'] }, '--ip-range: fd00::/96 needs a --subnet'],
])('%s', (_name, changes, problem) => {
  const problems = problemsOf(changes);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});

test('a macvlan network may take its subnet from its parent', () => {
  expect(problemsOf({ macvlan: 'eth0', ipRange: ['192.168.2.224/27'], gateway: ['192.168.2.1'] })).toEqual([]);
});

test('all problems at once, and none that only follows from another', () => {
  const words = { name: 'a b', subnet: ['ten'], ipRange: ['10.0.0.0/25', 'x'], gateway: ['y'], external: true };
  const problems = problemsOf(words);
  for (const word of ['"ten"', '"x"', '"y"', '"a b"']) {
    expect(problems.filter((text) => text.includes(word))).toHaveLength(1);
  }
  expect(problems.join()).not.toContain('needs a --subnet');
});

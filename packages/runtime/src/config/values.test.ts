import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isPassword,
  parseAddresses,
  parseCidr,
  parseDiskSize,
  parseDurationMs,
  parseFirstLetter,
  parseInterface,
  parseInterfaces,
  parseNetwork,
  parsePath,
  parsePorts,
  parseRamMiB,
  parseWords,
  parseYesNo,
} from './values.ts';

test.for([
  ['1024', 1024],
  ['2G', 2048],
  ['1.5GiB', 1536],
  ['512 MiB', 512],
  ['63', undefined],
  ['1K', undefined],
  ['-1', undefined],
  ['many', undefined],
  ['1e3', undefined],
] as const)('RAM %s', ([text, mib]) => {
  expect(parseRamMiB(text)).toBe(mib);
});

test.for([
  ['22', [{ protocol: 'tcp', port: 22 }]],
  [
    '53/udp, 53/TCP,53/udp',
    [
      { protocol: 'udp', port: 53 },
      { protocol: 'tcp', port: 53 },
    ],
  ],
  [
    '80-81',
    [
      { protocol: 'tcp', port: 80 },
      { protocol: 'tcp', port: 81 },
    ],
  ],
  ['none', []],
  ['0', undefined],
  ['65536', undefined],
  ['81-80', undefined],
  ['22,', undefined],
  ['22/sctp', undefined],
  ['1-1001', undefined],
] as const)('PORTS %s', ([text, ports]) => {
  expect(parsePorts(text)).toEqual(ports);
});

test('1000 ports are allowed', () => {
  expect(parsePorts('1-1000')).toHaveLength(1000);
});

test.for([
  ['192.168.100', '192.168.100'],
  ['10.0.0.0/24', '10.0.0'],
  ['010.1.2', '10.1.2'],
  ['256.1.1', undefined],
  ['127.0.0', undefined],
  ['224.0.0', undefined],
  ['10.0', undefined],
  ['10.0.0.1', undefined],
] as const)('CIDR %s', ([text, cidr]) => {
  expect(parseCidr(text)).toBe(cidr);
});

test('times', () => {
  expect(['60', '90s', '2m', '1h', '25h', '-1', '1d'].map(parseDurationMs)).toEqual([
    60_000,
    90_000,
    120_000,
    3_600_000,
    undefined,
    undefined,
    undefined,
  ]);
});

test('disk sizes are whole sectors', () => {
  expect(parseDiskSize('40G')).toBe(40 * 1024 ** 3);
  expect(parseDiskSize('10485761')).toBe(10485761 + 511);
  expect(parseDiskSize('0')).toBeUndefined();
});

test('every way the seeds write yes and no', () => {
  expect(['y', 'Y', 'yes', 'true', 'on', '1'].every((text) => parseYesNo(text) === true)).toBe(true);
  expect(['n', 'N', 'no', 'false', 'off', '0'].every((text) => parseYesNo(text) === false)).toBe(true);
  expect(parseYesNo('maybe')).toBeUndefined();
});

test.for([
  ['eth0', 'eth0'],
  ['br-1a2b.100', 'br-1a2b.100'],
  ['_x', '_x'],
  ['fifteen-letters', 'fifteen-letters'],
  ['sixteen--letters', undefined],
  ['', undefined],
  ['-eth0', undefined],
  ['.', undefined],
  ['..', undefined],
  ['eth0@if5', undefined],
  ['eth0:1', undefined],
  ['eth0\n', undefined],
  ['eth 0', undefined],
  ['e"0', undefined],
  ['eth0/x', undefined],
] as const)('interface %j', ([text, name]) => {
  expect(parseInterface(text)).toBe(name);
});

test('interfaces: each once, parted by spaces or commas; one that is none spoils all', () => {
  expect(parseInterfaces(' eth1,eth0  eth1 ')).toEqual(['eth1', 'eth0']);
  expect(parseInterfaces('eth0 a;b')).toBeUndefined();
});

test.for([
  ['10.0.0.0/8', '10.0.0.0/8'],
  [' 10.0.0.1 ', '10.0.0.1/32'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['10.0.0.1/33', undefined],
  ['10.0.0/8', undefined],
  ['10.0.0.0/255.0.0.0', undefined],
  ['10.0.0.0/8/8', undefined],
  ['10.0.0.0/', undefined],
  ['fd00::/8', undefined],
] as const)('SELECTED_NETWORK %j', ([text, network]) => {
  expect(parseNetwork(text)).toBe(network);
});

test('DNS_SERVERS', () => {
  expect(parseAddresses('9.9.9.9, fd00::1')).toEqual(['9.9.9.9', 'fd00::1']);
  expect(parseAddresses('9.9.9.9 dns.example')).toBeUndefined();
});

test.for([
  ['--a  --b=1', ['--a', '--b=1']],
  ['--a="x y"z', ['--a=x yz']],
  [`--a='"'"'"`, [`--a="'`]],
  ['--a=$(reboot);x', ['--a=$(reboot);x']],
  [' \t\n', []],
  ['--a "', undefined],
  [`--a 'b"`, undefined],
] as const)('words %j', ([text, words]) => {
  expect(parseWords(text)).toEqual(words);
});

test('words that are quoted read back, whatever is in them', () => {
  const word = fc.string({ minLength: 1 }).filter((text) => !text.includes("'"));
  fc.assert(
    fc.property(fc.array(word), (words) => {
      expect(parseWords(words.map((text) => `'${text}'`).join(' '))).toEqual(words);
    }),
  );
});

test('paths', () => {
  expect(['/a//b/', '/', 'a', '/a/../b', '/a\nb', '/with space'].map(parsePath)).toEqual([
    '/a/b',
    '/',
    undefined,
    undefined,
    undefined,
    '/with space',
  ]);
});

test('passwords that cloud-init would not set as they are', () => {
  expect(['R', 'RANDOM', '$6$salt$hash', 'a\nb', '', 'a\u0085b'].map(isPassword)).toEqual(Array(6).fill(false));
  expect(['päss:wörd', ' x ', '$6$', '"\'#{}', '🦆'].map(isPassword)).toEqual(Array(5).fill(true));
});

test('no text makes a reader throw or give a value out of its range', () => {
  const anything = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.,/ -]*[KMGsmh]?$/), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(anything, (text) => {
      const mib = parseRamMiB(text);
      expect(mib === undefined || (Number.isInteger(mib) && mib >= 64)).toBe(true);
      expect((parseDiskSize(text) ?? 0) % 512).toBe(0);
      expect(parsePorts(text)?.every(({ port }) => port >= 1 && port <= 65535) ?? true).toBe(true);
      expect(parsePath(text)?.startsWith('/') ?? true).toBe(true);
      parseCidr(text);
      parseDurationMs(text);
      parseYesNo(text);
      parseFirstLetter(text);
      parseNetwork(text);
      parseAddresses(text);
      expect(parseWords(text)?.every((word) => text.includes(word[0] ?? '')) ?? true).toBe(true);
      expect(parseInterfaces(text)?.every((name) => /^\w[\w.-]{0,14}$/.test(name)) ?? true).toBe(true);
    }),
  );
});

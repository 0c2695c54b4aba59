import { expect, test } from 'vitest';
import { docker } from './engine/docker.ts';
import type { Engine } from './engine/find.ts';
import { plainSsh, planSsh, sshAddresses } from './ssh-plan.ts';
import { containerOf } from './testing/container.ts';

const engine: Engine = {
  dialect: docker,
  info: { version: '1', rootless: false, selinux: false, kernel: '6.1.0', namesInterfaces: true },
};
const rootless: Engine = { ...engine, info: { ...engine.info, rootless: true } };
const facts = containerOf({
  addresses: ['172.17.0.2'],
  published: { 22: { address: '127.0.0.1', port: 2222 } },
});
const own = { host: '172.17.0.2', port: 22 };
const published = { host: '127.0.0.1', port: 2222 };

test.each([
  ["rootful: the container's own first", engine, true, facts, [own, published]],
  ['rootless: only what is published', rootless, true, facts, [published]],
  ['on another machine: only what is published', engine, false, facts, [published]],
  ['nothing', rootless, true, { ...facts, published: {} }, []],
])('%s', (_name, asked, local, container, addresses) => {
  expect(sshAddresses(asked, local, container)).toEqual(addresses);
});

const settings = { user: 'debian', knownHosts: '/state/a b/known', command: [] };
const COMMON = [
  ...['-o', 'StrictHostKeyChecking=accept-new', '-o', 'UserKnownHostsFile="/state/a b/known"'],
  ...['-o', 'HostKeyAlias=box', '-o', 'CheckHostIP=no', '-o', 'LogLevel=ERROR'],
];

test('to an address', () => {
  const plan = planSsh(engine, facts, { ...settings, address: published, identity: '/k', command: ['ls', '-l'] });
  expect(plan).toEqual([...COMMON, ...['-i', '/k', '-p', '2222', '-l', 'debian', '--', '127.0.0.1', 'ls', '-l']]);
});

test('through the engine', () => {
  expect(planSsh(engine, facts, { ...settings, address: undefined })).toEqual([
    ...COMMON,
    '-o',
    'ProxyCommand=docker exec -i abc123 node /usr/lib/virtainers/runtime.mjs connect 22',
    ...['-l', 'debian', '--', 'box'],
  ]);
});

test.each(['-oProxyCommand=x', 'a b', '', 'x;y'])("a user's name from a hostile label is refused: %j", (user) => {
  expect(() => planSsh(engine, facts, { ...settings, user, address: own })).toThrow("cannot be a user's name");
});

test('what a person types', () => {
  expect(plainSsh('debian', own)).toBe('ssh debian@172.17.0.2');
  expect(plainSsh('debian', published)).toBe('ssh -p 2222 debian@127.0.0.1');
});

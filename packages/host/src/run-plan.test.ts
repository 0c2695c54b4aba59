import { expect, test } from 'vitest';
import { docker } from './engine/docker.ts';
import type { EngineDialect, EngineInfo } from './engine/engine.ts';
import { podman } from './engine/podman.ts';
import { freeName, planRun, type RunFacts, type RunSettings } from './run-plan.ts';

const plain: RunSettings = {
  shares: [],
  publish: [],
  networks: [],
  addresses: [],
  privileged: false,
  env: [],
  remove: false,
};
const info: EngineInfo = { version: '1', rootless: false, selinux: false, kernel: '6.1.0', namesInterfaces: true };

function factsOf(dialect: EngineDialect, changes: Partial<RunFacts> = {}, engine: Partial<EngineInfo> = {}): RunFacts {
  return {
    engine: { dialect, info: { ...info, ...engine } },
    reference: dialect.localReferences('debian:13-packages')[0],
    name: 'box',
    publicKey: '/home/me/.ssh/id_ed25519.pub',
    disks: [],
    devices: ['/dev/net/tun', '/dev/kvm'],
    ...changes,
  };
}

const disks = [
  { kind: 'file', source: '/d.img', place: '/volumes/a.img', readonly: true },
  { kind: 'device', source: '/dev/sdb', place: '/dev/vm/b', readonly: false },
] as const;

const HEALTH =
  '--health-cmd /usr/bin/node /usr/lib/virtainers/runtime.mjs health --health-interval 10s --health-timeout 5s --health-start-period 600s --health-retries 3';

/** Of a container that takes one command to start. */
function planOne(settings: RunSettings, facts: RunFacts): string[] {
  const [command = [], ...others] = planRun(settings, facts);
  expect(others).toEqual([]);
  return command;
}

test('Docker, nothing asked for', () => {
  expect(planOne(plain, factsOf(docker)).join(' ')).toBe(
    'run --detach --name box --stop-timeout 90 --cap-add NET_ADMIN --device /dev/net/tun --device /dev/kvm' +
      ' --volume /home/me/.ssh/id_ed25519.pub:/tmp/id_rsa.pub:ro --volume box-data:/mounted' +
      ` --env VIRTAINERS_REFERENCE=virtainers/debian:13-packages ${HEALTH} virtainers/debian:13-packages`,
  );
});

test('Podman, nothing asked for: low ports may be forwarded', () => {
  expect(planOne(plain, factsOf(podman)).join(' ')).toBe(
    'run --detach --name box --stop-timeout 90 --cap-add NET_ADMIN --device /dev/net/tun --device /dev/kvm' +
      ' --sysctl net.ipv4.ip_unprivileged_port_start=0 --sysctl net.ipv4.ip_forward=1' +
      ' --volume /home/me/.ssh/id_ed25519.pub:/tmp/id_rsa.pub:ro --volume box-data:/mounted' +
      ` --env VIRTAINERS_REFERENCE=docker.io/virtainers/debian:13-packages ${HEALTH} docker.io/virtainers/debian:13-packages`,
  );
});

test.each<[string, Partial<RunSettings>, Partial<RunFacts>, Partial<EngineInfo>, string, boolean]>([
  ['memory', { memoryMiB: 2048 }, {}, {}, '--env RAM=2048', true],
  ['cpus', { cpus: 2 }, {}, {}, '--env CPU=2', true],
  ['disk size', { diskSize: '20G' }, {}, {}, '--env DISK_SIZE=20G', true],
  ['user-data', { userData: '/u' }, {}, {}, '--volume /u:/tmp/user-data:ro', true],
  ['a disk of its own', { rootDisk: '/d.qcow2' }, {}, {}, '--volume /d.qcow2:/image:ro', true],
  ['disks beside it', {}, { disks }, {}, '--volume /d.img:/volumes/a.img:ro', true],
  ['a device', {}, { disks }, {}, '--device /dev/kvm --device /dev/sdb:/dev/vm/b ', true],
  [
    'a device of a privileged one',
    { privileged: true },
    { disks },
    {},
    '--privileged --device /dev/sdb:/dev/vm/b',
    true,
  ],
  ['a folder', { data: '/srv/box' }, {}, {}, '--volume /srv/box:/mounted', true],
  ['a folder takes the place of the volume', { data: '/srv/box' }, {}, {}, 'box-data', false],
  [
    'shares',
    { shares: [{ host: '/src', guest: '/srv', readonly: true }] },
    {},
    {},
    '--mount type=bind,source=/src,target=/shares/share1,readonly --env SHARES=share1:/srv:ro',
    true,
  ],
  ['ports', { publish: ['8080:80', '2222:22'] }, {}, {}, '--publish 8080:80 --publish 2222:22', true],
  ['a network', { networks: ['lab'] }, {}, {}, '--network lab', true],
  ['an address', { networks: ['lab'], addresses: ['10.0.0.9'] }, {}, {}, '--network lab --ip 10.0.0.9', true],
  ['an address of IPv6', { networks: ['lab'], addresses: ['fd00::9'] }, {}, {}, '--network lab --ip6 fd00::9', true],
  ['remove', { remove: true }, {}, {}, '--rm', true],
  ['settings', { env: ['DEBUG=yes'] }, {}, {}, '--env DEBUG=yes', true],
  ['privileged', { privileged: true }, {}, {}, '--privileged', true],
  ['privileged needs no more', { privileged: true }, {}, {}, '--cap-add', false],
  ['no key', {}, { publicKey: undefined }, {}, 'id_rsa.pub', false],
  ['no kvm here', {}, { devices: ['/dev/net/tun'] }, {}, '/dev/kvm', false],
  ['a longer stop', { env: ['STOP_TIMEOUT=300'] }, {}, {}, '--stop-timeout 330', true],
  ['an odd stop is for the runtime to refuse', { env: ['STOP_TIMEOUT=soon'] }, {}, {}, '--stop-timeout 90', true],
  ['rootless: SSH gets a port', {}, {}, { rootless: true }, '--publish 127.0.0.1::22', true],
  ['rootless, ports given', { publish: ['2222:22'] }, {}, { rootless: true }, '127.0.0.1::22', false],
  ['rootless, no network', { networks: ['none'] }, {}, { rootless: true }, '--publish', false],
  ['SELinux', {}, {}, { selinux: true }, '--security-opt label=disable', true],
  ['SELinux, nothing mounted', {}, { publicKey: undefined }, { selinux: true }, 'label=disable', false],
])('%s', (_name, settings, facts, engine, words, there) => {
  const line = planOne({ ...plain, ...settings }, factsOf(docker, facts, engine)).join(' ');
  expect(line.includes(words)).toBe(there);
});

test.each(['host', 'container:other'])('a network that is not its own gets no sysctl: %s', (network) => {
  const words = planOne({ ...plain, networks: [network] }, factsOf(podman, {}, { rootless: true }));
  expect(words).not.toContain('--sysctl');
  expect(words).not.toContain('127.0.0.1::22');
});

const several = { ...plain, networks: ['zoo', 'lab'], addresses: ['10.0.0.9', 'fd00::9'] };

test('several networks, Podman: which interface is which is said', () => {
  expect(planOne(several, factsOf(podman)).join(' ')).toContain(
    '--network zoo:ip=10.0.0.9,ip=fd00::9,interface_name=eth0 --network lab:interface_name=eth1 ',
  );
});

test('several networks, Docker that names interfaces', () => {
  const ifname = 'driver-opt=com.docker.network.endpoint.ifname';
  expect(planOne(several, factsOf(docker)).join(' ')).toContain(
    `--network name=zoo,${ifname}=eth0,gw-priority=1,ip=10.0.0.9,ip6=fd00::9 --network name=lab,${ifname}=eth1 `,
  );
});

test('several networks, an older Docker: made, connected, started', () => {
  const [create = [], ...others] = planRun(several, factsOf(docker, {}, { namesInterfaces: false }));
  expect(create.join(' ')).toMatch(/^create --name box .* --network zoo --ip 10\.0\.0\.9 --ip6 fd00::9 /);
  expect(create).not.toContain('--detach');
  expect(others.map((words) => words.join(' '))).toEqual(['network connect lab box', 'start box']);
});

test.each([
  ['localhost/virtainers/debian:13-packages', [], 'debian-13-packages'],
  ['virtainers/debian:13-packages', ['debian-13-packages', 'debian-13-packages-2'], 'debian-13-packages-3'],
  ['registry.example:5000/me/box:latest', [], 'box'],
  [`registry.example/me/box@sha256:${'0'.repeat(64)}`, [], 'box'],
])('a free name from %s', (reference, taken, name) => {
  expect(freeName(reference, taken)).toBe(name);
});

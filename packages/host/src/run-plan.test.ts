import { expect, test } from 'vitest';
import { docker } from './engine/docker.ts';
import type { EngineDialect, EngineInfo } from './engine/engine.ts';
import { podman } from './engine/podman.ts';
import { freeName, planRun, type RunFacts, type RunSettings } from './run-plan.ts';

const plain: RunSettings = { publish: [], privileged: false, env: [], remove: false };
const info: EngineInfo = { version: '1', rootless: false, selinux: false, kernel: '6.1.0' };

function factsOf(dialect: EngineDialect, changes: Partial<RunFacts> = {}, engine: Partial<EngineInfo> = {}): RunFacts {
  return {
    engine: { dialect, info: { ...info, ...engine } },
    reference: dialect.localReferences('debian:13-packages')[0],
    name: 'box',
    publicKey: '/home/me/.ssh/id_ed25519.pub',
    devices: ['/dev/net/tun', '/dev/kvm'],
    ...changes,
  };
}

const HEALTH =
  '--health-cmd /usr/bin/node /usr/lib/virtainers/runtime.mjs health --health-interval 10s --health-timeout 5s --health-start-period 600s --health-retries 3';

test('Docker, nothing asked for', () => {
  expect(planRun(plain, factsOf(docker)).join(' ')).toBe(
    'run --detach --name box --stop-timeout 90 --cap-add NET_ADMIN --device /dev/net/tun --device /dev/kvm' +
      ' --volume /home/me/.ssh/id_ed25519.pub:/tmp/id_rsa.pub:ro --volume box-data:/mounted' +
      ` --env VIRTAINERS_REFERENCE=virtainers/debian:13-packages ${HEALTH} virtainers/debian:13-packages`,
  );
});

test('Podman, nothing asked for: low ports may be forwarded', () => {
  expect(planRun(plain, factsOf(podman)).join(' ')).toBe(
    'run --detach --name box --stop-timeout 90 --cap-add NET_ADMIN --device /dev/net/tun --device /dev/kvm' +
      ' --sysctl net.ipv4.ip_unprivileged_port_start=0' +
      ' --volume /home/me/.ssh/id_ed25519.pub:/tmp/id_rsa.pub:ro --volume box-data:/mounted' +
      ` --env VIRTAINERS_REFERENCE=docker.io/virtainers/debian:13-packages ${HEALTH} docker.io/virtainers/debian:13-packages`,
  );
});

test.each<[string, Partial<RunSettings>, Partial<RunFacts>, Partial<EngineInfo>, string, boolean]>([
  ['memory', { memoryMiB: 2048 }, {}, {}, '--env RAM=2048', true],
  ['cpus', { cpus: 2 }, {}, {}, '--env CPU=2', true],
  ['disk size', { diskSize: '20G' }, {}, {}, '--env DISK_SIZE=20G', true],
  ['user-data', { userData: '/u' }, {}, {}, '--volume /u:/tmp/user-data:ro', true],
  ['a disk', { disk: '/d.qcow2' }, {}, {}, '--volume /d.qcow2:/image:ro', true],
  ['a folder', { data: '/srv/box' }, {}, {}, '--volume /srv/box:/mounted', true],
  ['a folder takes the place of the volume', { data: '/srv/box' }, {}, {}, 'box-data', false],
  ['ports', { publish: ['8080:80', '2222:22'] }, {}, {}, '--publish 8080:80 --publish 2222:22', true],
  ['a network', { network: 'lab' }, {}, {}, '--network lab', true],
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
  ['rootless, no network', { network: 'none' }, {}, { rootless: true }, '--publish', false],
  ['SELinux', {}, {}, { selinux: true }, '--security-opt label=disable', true],
  ['SELinux, nothing mounted', {}, { publicKey: undefined }, { selinux: true }, 'label=disable', false],
])('%s', (_name, settings, facts, engine, words, there) => {
  const line = planRun({ ...plain, ...settings }, factsOf(docker, facts, engine)).join(' ');
  expect(line.includes(words)).toBe(there);
});

test.each(['host', 'container:other'])('a network that is not its own gets no sysctl: %s', (network) => {
  expect(planRun({ ...plain, network }, factsOf(podman, {}, { rootless: true }))).not.toContain('--sysctl');
  expect(planRun({ ...plain, network }, factsOf(podman, {}, { rootless: true }))).not.toContain('127.0.0.1::22');
});

test.each([
  ['localhost/virtainers/debian:13-packages', [], 'debian-13-packages'],
  ['virtainers/debian:13-packages', ['debian-13-packages', 'debian-13-packages-2'], 'debian-13-packages-3'],
  ['registry.example:5000/me/box:latest', [], 'box'],
  [`registry.example/me/box@sha256:${'0'.repeat(64)}`, [], 'box'],
])('a free name from %s', (reference, taken, name) => {
  expect(freeName(reference, taken)).toBe(name);
});

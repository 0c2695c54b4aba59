import { expect, test } from 'vitest';
import { docker } from './docker.ts';
import { podman } from './podman.ts';

test('Docker says its version, its kernel and how it is confined', () => {
  const info = {
    ServerVersion: '20.10.24',
    KernelVersion: '6.1.0',
    SecurityOptions: ['name=seccomp,profile=default', 'name=rootless', 'name=selinux'],
  };
  expect(docker.parseInfo(JSON.stringify(info))).toEqual({
    version: '20.10.24',
    kernel: '6.1.0',
    rootless: true,
    selinux: true,
    namesInterfaces: false,
  });
});

test.each([
  ['28.5.2', '28.0.0', true],
  ['28.5.2', '20.10.24', false],
  ['20.10.24+dfsg1', '28.2.2', false],
  ['28.5.2', undefined, false],
])('Docker %s with a client of version %s names interfaces: %s', (server, client, expected) => {
  const info = { ServerVersion: server, KernelVersion: '6.1.0', ClientInfo: { Version: client } };
  expect(docker.parseInfo(JSON.stringify(info))?.namesInterfaces).toBe(expected);
});

test('a Docker client without its daemon is no engine', () => {
  expect(docker.parseInfo('{"ServerVersion":"","KernelVersion":"","ServerErrors":["Cannot connect"]}')).toBeUndefined();
  expect(docker.parseInfo('')).toBeUndefined();
});

test('a docker that is Podman under another name is not taken for Docker', () => {
  expect(docker.parseInfo('{"host":{"kernel":"6.1.0"},"version":{"Version":"4.3.1"}}')).toBeUndefined();
});

test('Podman says whether it is rootless', () => {
  const info = { host: { kernel: '6.1.0', security: { rootless: true } }, version: { Version: '4.3.1' } };
  expect(podman.parseInfo(JSON.stringify(info))).toEqual({
    version: '4.3.1',
    kernel: '6.1.0',
    rootless: true,
    selinux: false,
    namesInterfaces: true,
  });
});

test.each([
  [docker, 'virtainers/debian:13-packages'],
  [podman, 'docker.io/virtainers/debian:13-packages'],
])('a catalogue name is local: $name', (dialect, reference) => {
  expect(dialect.localReferences('debian:13-packages')[0]).toBe(reference);
});

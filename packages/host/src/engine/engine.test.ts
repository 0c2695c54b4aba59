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
  });
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
  });
});

test.each([
  [docker, 'virtainers/debian:13-packages'],
  [podman, 'docker.io/virtainers/debian:13-packages'],
])('a catalogue name is local: $name', (dialect, reference) => {
  expect(dialect.localReferences('debian:13-packages')[0]).toBe(reference);
});

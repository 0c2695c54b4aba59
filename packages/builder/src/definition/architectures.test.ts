import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pathRules } from '../root/path-rules.ts';
import { selectionOf } from '../root/selection.ts';
import { forArchitecture } from './architectures.ts';
import { loadDefinitions, loadRootDefinition } from './load.ts';

const IMAGES = join(import.meta.dirname, '../../../../images');

test("a definition of packages has each architecture's own, and amd64 the lock that it always had", async () => {
  const definition = (await loadDefinitions(IMAGES)).find(({ name }) => name === 'debian:13-packages');
  if (definition?.kind !== 'packages') throw new Error('debian:13-packages is not made from packages');
  const [amd64, arm64] = (['amd64', 'arm64'] as const).map((arch) =>
    selectionOf(forArchitecture(definition, arch), arch),
  );
  expect(amd64).toMatchObject({ name: 'debian-13-packages', arch: 'amd64' });
  expect(amd64?.packages).toEqual(expect.arrayContaining(['linux-image-cloud-amd64', 'grub-pc-bin']));
  expect(arm64).toMatchObject({ name: 'debian-13-packages.arm64', arch: 'arm64' });
  expect(arm64?.packages).toEqual(expect.arrayContaining(['linux-image-cloud-arm64', 'grub-efi-arm64-bin']));
  expect(JSON.stringify([amd64, arm64])).not.toContain('{kernel}');
});

test('a root drops and keeps what its architecture says beside what all do', async () => {
  const { drop, keep, packages } = forArchitecture(await loadRootDefinition(IMAGES, 'runtime'), 'arm64');
  const rules = pathRules(
    drop.flatMap(({ paths }) => paths),
    keep,
  );
  expect(rules.drop('usr/bin/qemu-system-arm')).toBe(true);
  expect(rules.drop('usr/lib/aarch64-linux-gnu/gconv/UTF-16.so')).toBe(true);
  expect(rules.drop('usr/lib/aarch64-linux-gnu/qemu/hw-display-virtio-gpu.so')).toBe(false);
  expect(rules.drop('usr/share/AAVMF/AAVMF_CODE.no-secboot.fd')).toBe(false);
  expect(packages).toEqual(expect.arrayContaining(['qemu-system-arm', 'qemu-efi-aarch64']));
});

test('an architecture that a definition does not name is refused, with those that it does', async () => {
  const definition = (await loadDefinitions(IMAGES)).find(({ name }) => name === 'debian:11-packages');
  if (definition?.kind !== 'packages') throw new Error('debian:11-packages is not made from packages');
  expect(() => forArchitecture(definition, 'arm64')).toThrowError(
    expect.objectContaining({ code: 'IMAGE_UNKNOWN', hint: expect.stringContaining('amd64') }),
  );
});

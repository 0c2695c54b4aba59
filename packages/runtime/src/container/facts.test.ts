import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../../../test/helpers/temp-folder.ts';
import { isHostNetwork, parseCapabilities, parseMemoryLimit } from './facts.ts';

test("Docker's default capabilities, NET_ADMIN added, and none", () => {
  expect(parseCapabilities('CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n').has('NET_ADMIN')).toBe(false);
  expect(parseCapabilities('CapEff:\t00000000a80435fb\n').has('NET_ADMIN')).toBe(true);
  expect(parseCapabilities('CapEff:\t0000000000000000\n').size).toBe(0);
});

test('both spellings of no limit', () => {
  expect(parseMemoryLimit('max\n')).toBeUndefined();
  expect(parseMemoryLimit('9223372036854771712\n')).toBeUndefined();
  expect(parseMemoryLimit('536870912\n')).toBe(536870912);
});

test("the host's network: a card, a bridge, or what only the initial namespace has; not a bridge that a killed life of ours left", async () => {
  const isHost = async (...paths: string[]) => {
    const sys = await tempFolder('sys-class-net');
    for (const path of ['lo', 'eth0', ...paths]) await mkdir(join(sys, path), { recursive: true });
    return isHostNetwork(sys, join(sys, 'netdev_max_backlog'));
  };
  expect(await isHost()).toBe(false);
  expect(await isHost('enp1s0/device')).toBe(true);
  expect(await isHost('docker0/bridge')).toBe(true);
  expect(await isHost('vbr0/bridge', 'vm0')).toBe(false);
  expect(await isHost('vbr0-c3112a/bridge')).toBe(true);
  const sys = await tempFolder('sys-class-net');
  await writeFile(join(sys, 'sign'), '');
  expect(await isHostNetwork(sys, join(sys, 'sign'))).toBe(true);
});

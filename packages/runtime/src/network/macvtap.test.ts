import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Exec } from '@virtainers/core';
import { expect, test } from 'vitest';
import { tempFolder } from '../../../../test/helpers/temp-folder.ts';
import { askFor, planFor, recorded, type Situation } from '../testing/networks.ts';
import { parseMajor, probeMacvtap } from './probe-macvtap.ts';
import { makeTapNode } from './tap-node.ts';

const planned = (name: string, more: Partial<Situation> = {}) => {
  const [nic] = planFor({ snapshot: recorded(name), ask: askFor('macvtap'), ...more }).nics;
  return nic ?? expect.fail();
};

test("the macvtap has the container's MAC, which the link has given up before", () => {
  const nic = planned('docker-macvlan');
  const lines = nic.commands.map(({ file, args }) => [file, ...args].join(' '));
  const given = lines.findIndex((line) => line.startsWith('ip link set dev eth0 address '));
  const made = lines.indexOf(
    'ip link add link eth0 name vm0 address 02:42:c0:a8:01:32 mtu 1500 type macvtap mode bridge',
  );
  expect(given).toBeGreaterThanOrEqual(0);
  expect(made).toBeGreaterThan(given);
  expect(nic).toMatchObject({ tapNode: 'vm0', interface: { device: 'vm0', mac: '02:42:c0:a8:01:32' } });
});

test('/dev/net/tun has no part in it; what is missing names what to add', () => {
  expect(planned('docker-bridge', { means: { tun: false } }).mode).toBe('macvtap');
  const attempt = (means: Situation['means']) => () => planned('docker-bridge', { ...(means && { means }) });
  expect(attempt({ netAdmin: false })).toThrow(expect.objectContaining({ hint: 'add --cap-add NET_ADMIN' }));
  expect(attempt({ macvtapMissing: 'add --privileged' })).toThrow(
    expect.objectContaining({ hint: 'add --privileged' }),
  );
});

test('B10: a missing vhost-net is a line in the log, not an error', () => {
  expect(planned('docker-bridge').losses).toEqual([]);
  expect(planned('docker-bridge', { means: { vhostNet: false } }).losses).toEqual([
    expect.stringContaining('/dev/vhost-net'),
  ]);
});

test('what is turned to us and back is turned at the macvtap, whatever is below it', () => {
  const rules = planned('docker-macvlan')
    .commands.flatMap(({ input }) => input ?? [])
    .join('');
  expect(rules).toContain('hook egress device "vm0"');
  expect(rules).toContain('udp sport 68 udp dport 67 fwd to "vlegp0"');
  expect(rules).not.toContain('device "eth0"');
});

test("B13: the guest's question comes to us alone; what others answer is dropped before the guest, what we answer is not", () => {
  const chain = (name: string) =>
    planned('docker-bridge')
      .commands.map(({ input = '' }) => input.split(`chain ${name} {`)[1]?.split('}')[0])
      .find((text) => text !== undefined)
      ?.split('\n')
      .map((line) => line.trim());
  expect(chain('guest')).toContain('udp sport 68 udp dport 67 fwd to "vlegp0"');
  const others = chain('others') ?? [];
  const [ours, dropped] = [others.findIndex((line) => line.startsWith('ether saddr ')), others.indexOf(DROPPED)];
  expect(ours).toBeGreaterThan(0);
  expect(dropped).toBeGreaterThan(ours);
});

const DROPPED = 'udp sport 67 udp dport 68 drop';

test('the major is the one of macvtap, another on each host', () => {
  expect(parseMajor('Character devices:\n  1 mem\n246 macvtap\n\nBlock devices:\n  8 sd\n')).toBe(246);
  expect(parseMajor('Character devices:\n236 ipvtap\n')).toBeUndefined();
});

async function probed(devices: string, exec: Exec): Promise<string | undefined> {
  const folder = await tempFolder('macvtap-probe');
  await writeFile(join(folder, 'devices'), devices);
  return probeMacvtap(exec, folder, join(folder, 'devices'));
}

test('without MKNOD the rule and the capability are named, and the mode that needs neither', async () => {
  const refused: Exec = async () => ({ stdout: '', stderr: 'mknod: Operation not permitted', exitCode: 1 });
  const said = await probed('246 macvtap\n', refused);
  expect(said).toContain('--privileged, or --cap-add MKNOD --device-cgroup-rule "c 246:* rwm"');
  expect(said).toContain('NETWORK_MODE=bridge');
  expect(await probed('1 mem\n', refused)).toContain('modprobe macvtap');
});

test('a node that can be opened is enough; it is one that no macvtap has, and does not stay', async () => {
  const asked: string[][] = [];
  const allowed: Exec = async (file, args) => {
    asked.push([file, ...args]);
    await writeFile(args[2] ?? '', '');
    return { stdout: '', stderr: '', exitCode: 0 };
  };
  expect(await probed('246 macvtap\n', allowed)).toBeUndefined();
  expect(asked.map((words) => words.slice(4))).toEqual([['c', '246', '1048575']]);
});

test("the node has the device's own numbers, and libvirt's name", async () => {
  const [sys, dev] = [await tempFolder('sys'), await tempFolder('dev')];
  await mkdir(join(sys, 'vm0/tap7'), { recursive: true });
  await writeFile(join(sys, 'vm0/tap7/dev'), '246:3\n');
  const asked: string[] = [];
  const exec: Exec = async (file, args) => {
    asked.push([file, ...args].join(' '));
    return { stdout: '', stderr: '', exitCode: 0 };
  };
  expect(await makeTapNode(exec, 'vm0', sys, dev)).toBe(join(dev, 'tap7'));
  expect(asked).toEqual([`mknod -m 600 ${dev}/tap7 c 246 3`]);
  await expect(makeTapNode(exec, 'vm1', sys, dev)).rejects.toThrow(/vm1 does not name/);
});

import { dataPaths } from '@virtainers/core';
import { expect, test } from 'vitest';
import { memoryNeeds, requireFit, unmetNeeds } from './memory-needs.ts';

const CPUINFO = 'processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu\n';
const PATHS = dataPaths('/mounted');

const drive = (file: string) => ({ inserted: { 'node-name': file, file, ro: false, backing_file_depth: 0 } });
const device = (name: string) => ({ name, type: 'child<virtio-net-pci>' });

function qemu({ kvm = false, mebibytes = 1024, files = [PATHS.overlay], devices = ['rng0', 'net0'] } = {}) {
  const answers: Record<string, unknown> = {
    'query-version': { qemu: { major: 10, minor: 0, micro: 13 }, package: 'Debian' },
    'query-kvm': { enabled: kvm, present: true },
    'query-memory-size-summary': { 'base-memory': mebibytes * 1024 ** 2 },
    'query-cpus-fast': [{}, {}],
    'query-block': files.map(drive),
    'qom-list': [{ name: 'type', type: 'string' }, device('pci.1'), ...devices.map(device)],
  };
  return { qmp: async (command: string) => answers[command] };
}

const needs = (what: Parameters<typeof qemu>[0]) => memoryNeeds(qemu(what), PATHS, CPUINFO);

test('an emulated guest does not depend on the CPU below it, one under KVM does', async () => {
  expect(await needs({})).toEqual({
    ...{ QEMU: '10.0.13', ACCEL: 'tcg', RAM: '1024 MiB', CPU: '2' },
    ...{ firmware: 'BIOS', devices: 'net0 rng0' },
  });
  expect(await needs({ kvm: true })).toMatchObject({
    ...{ ACCEL: 'kvm', 'the CPU': expect.stringMatching(/^Some CPU @ 2 GHz, features \w{12}$/) },
  });
});

test('what differs is named with both values', async () => {
  const kept = await needs({});
  expect(unmetNeeds(kept, kept)).toEqual([]);
  expect(unmetNeeds(kept, await needs({ mebibytes: 2048 }))).toEqual(['RAM: kept with 1024 MiB, now 2048 MiB']);
  expect(unmetNeeds(kept, await needs({ kvm: true }))).toEqual([
    'ACCEL: kept with tcg, now kvm',
    expect.stringMatching(/^the CPU: kept with none, now Some CPU @ 2 GHz, features \w{12}$/),
  ]);
  expect(unmetNeeds(kept, await needs({ devices: ['net0', 'rng0', 'tpm0'] }))).toEqual([
    'devices: kept with net0 rng0, now net0 rng0 tpm0',
  ]);
  expect(unmetNeeds(undefined, kept)).toHaveLength(1);
});

test("one firmware's variables are not put into another's file", async () => {
  const uefi = await needs({ files: [PATHS.overlay, PATHS.variables] });
  expect(unmetNeeds(uefi, await needs({ files: [PATHS.overlay, PATHS.secureVariables] }))).toEqual([
    'firmware: kept with UEFI, now UEFI with secure boot',
  ]);
});

test('a restore that cannot be is refused before anything is changed', async () => {
  const kept = await needs({});
  expect(() => requireFit('first', kept, kept)).not.toThrow();
  expect(() => requireFit('first', { ...kept, RAM: '1 MiB' }, kept)).toThrow(/first: .*kept with 1 MiB, now 1024 MiB/);
});

import type { Machine } from '@virtainers/core';
import { expect, test } from 'vitest';
import { readFirmware } from './firmware.ts';
import { Reader } from './reader.ts';

const BIOS = { arch: 'amd64', firmware: 'bios' } as Machine;
const SECURE = { arch: 'amd64', firmware: 'uefi', secureBoot: true } as Machine;
const ARM = { arch: 'arm64', firmware: 'uefi' } as Machine;

function read(env: Record<string, string>, machine: Machine, ramMiB = 1024) {
  const reader = new Reader(env);
  return { ...readFirmware(reader, machine, ramMiB), problems: reader.problems };
}

test("the image's own, unless another is asked for", () => {
  expect(read({}, BIOS)).toEqual({ kind: 'bios', secureBoot: false, tpm: false, problems: [] });
  expect(read({ FIRMWARE: 'uefi' }, BIOS)).toMatchObject({ kind: 'uefi', secureBoot: false });
  expect(read({}, SECURE)).toMatchObject({ kind: 'uefi', secureBoot: true });
  expect(read({ FIRMWARE: 'bios' }, SECURE)).toMatchObject({ kind: 'bios', secureBoot: false, problems: [] });
  expect(read({ SECURE_BOOT: 'no' }, SECURE)).toMatchObject({ kind: 'uefi', secureBoot: false });
});

test('secure boot brings UEFI; a TPM does not', () => {
  expect(read({ SECURE_BOOT: 'yes' }, BIOS)).toMatchObject({ kind: 'uefi', secureBoot: true });
  expect(read({ TPM: 'yes' }, BIOS)).toMatchObject({ kind: 'bios', tpm: true });
});

test.for<[Record<string, string>, Machine, RegExp]>([
  [{ FIRMWARE: 'bios', SECURE_BOOT: 'yes' }, BIOS, /SECURE_BOOT="yes": a BIOS checks nothing/],
  [{ FIRMWARE: 'bios' }, ARM, /no BIOS/],
  [{ SECURE_BOOT: 'yes' }, ARM, /not for guests of arm64/],
  [{ FIRMWARE: 'coreboot' }, BIOS, /auto, bios or uefi/],
])('%o is refused', ([env, machine, why]) => {
  expect(read(env, machine).problems.join('\n')).toMatch(why);
});

test('secure boot wants more memory than UEFI alone', () => {
  expect(read({ SECURE_BOOT: 'yes' }, BIOS, 256).problems.join('\n')).toMatch(/RAM=.*at least 384 MiB/);
  expect(read({}, SECURE, 256).problems).toHaveLength(1);
  expect(read({ SECURE_BOOT: 'yes' }, BIOS, 384).problems).toEqual([]);
  expect(read({ FIRMWARE: 'uefi' }, BIOS, 128).problems).toEqual([]);
});

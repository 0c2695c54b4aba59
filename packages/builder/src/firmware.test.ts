import { expect, test } from 'vitest';
import type { Subject } from './bake-disk.ts';
import type { ImageDefinition } from './definition/schema.ts';
import { chooseFirmware } from './firmware.ts';

function subject(change: Partial<ImageDefinition>): Subject {
  const definition = { name: 'a:1', firmware: ['bios', 'uefi'], secureBoot: false, ...change } as ImageDefinition;
  return { kind: 'definition', definition };
}

test('BIOS, unless the disk cannot, is to be checked, or somebody asks', () => {
  expect(chooseFirmware(subject({}), 'amd64', undefined)).toEqual({ firmware: 'bios' });
  expect(chooseFirmware(subject({}), 'amd64', 'uefi')).toEqual({ firmware: 'uefi' });
  expect(chooseFirmware(subject({ firmware: ['uefi'] }), 'amd64', undefined)).toEqual({ firmware: 'uefi' });
});

test('secure boot where the definition asks for it, and never with BIOS', () => {
  const secure = subject({ secureBoot: true });
  expect(chooseFirmware(secure, 'amd64', undefined)).toEqual({ firmware: 'uefi', secureBoot: true });
  expect(chooseFirmware(secure, 'amd64', 'bios')).toEqual({ firmware: 'bios' });
});

test('a firmware that the disk does not boot with is refused', () => {
  const uefi = subject({ firmware: ['uefi'] });
  expect(() => chooseFirmware(uefi, 'amd64', 'bios')).toThrowError(expect.objectContaining({ code: 'ARGUMENTS_BAD' }));
});

test('arm64 has UEFI only', () => {
  expect(chooseFirmware(subject({ firmware: ['bios'] }), 'arm64', undefined)).toEqual({ firmware: 'uefi' });
  expect(() => chooseFirmware(subject({}), 'arm64', 'bios')).toThrowError(/UEFI only/);
});

test("somebody's own disk is believed", () => {
  const own = { kind: 'file', label: 'a.qcow2', stem: 'a' } as unknown as Subject;
  expect(chooseFirmware(own, 'amd64', 'uefi')).toEqual({ firmware: 'uefi' });
  expect(chooseFirmware(own, 'amd64', undefined)).toEqual({ firmware: 'bios' });
});

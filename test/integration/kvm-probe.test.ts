import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KVM_PROBE_EXIT_CODE, kvmProbeDisk, planKvmProbe } from '@virtainers/core';
import { expect, test } from 'vitest';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

/** Under emulation, which every machine has; all else is as it is with KVM. */
async function boot(disk: Buffer): Promise<number> {
  await requireTool('qemu-system-x86_64');
  const path = join(await tempFolder('kvm, probed'), 'disk.img');
  await writeFile(path, disk);
  const [file, ...args] = planKvmProbe(path);
  const emulated = args.map((word) => word.replace('accel=kvm', 'accel=tcg').replace(/^host$/, 'max'));
  return (await exec(file, emulated, { allowFailure: true, timeoutMs: 60_000 })).exitCode;
}

test('QEMU boots the disk, which ends it with the code that says so', async () => {
  expect(await boot(kvmProbeDisk())).toBe(KVM_PROBE_EXIT_CODE);
});

test('a boot sector that does something else ends it with another code', async () => {
  const disk = kvmProbeDisk();
  // jmp to the reset vector, ffff:0000: a reboot, at which -no-reboot ends QEMU.
  Buffer.from([0xea, 0x00, 0x00, 0xff, 0xff]).copy(disk);
  expect(await boot(disk)).not.toBe(KVM_PROBE_EXIT_CODE);
});

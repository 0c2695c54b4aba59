import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ARCHITECTURES, type Architecture, KVM_PROBES } from '@virtainers/core';
import { expect, test } from 'vitest';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

/** Under emulation, which every machine has; all else is as it is with KVM. */
async function boot(arch: Architecture, content: Buffer): Promise<number> {
  const { program, args } = KVM_PROBES[arch];
  await requireTool(program);
  const path = join(await tempFolder('kvm, probed'), 'disk.img');
  await writeFile(path, content);
  const emulated = args(path).map((word) => word.replace('accel=kvm', 'accel=tcg').replace(/^host$/, 'max'));
  return (await exec(program, emulated, { allowFailure: true, timeoutMs: 60_000 })).exitCode;
}

test.each(ARCHITECTURES)(
  'QEMU runs the smallest guest of %s, which ends it with the code that says so',
  async (arch) => {
    const { content, exitCode } = KVM_PROBES[arch];
    expect(await boot(arch, content())).toBe(exitCode);
  },
);

test('a boot sector that does something else ends it with another code', async () => {
  const disk = KVM_PROBES.amd64.content();
  // jmp to the reset vector, ffff:0000: a reboot, at which -no-reboot ends QEMU.
  Buffer.from([0xea, 0x00, 0x00, 0xff, 0xff]).copy(disk);
  expect(await boot('amd64', disk)).not.toBe(KVM_PROBES.amd64.exitCode);
});

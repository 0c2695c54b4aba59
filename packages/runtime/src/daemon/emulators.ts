import { mkdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { IN_IMAGE } from '@virtainers/core';
import type { Driver } from './driver.ts';

/** Puts our wrapper in the place of every QEMU that the image has: libvirt asks all that it finds for their capabilities. */
export async function wrapEmulators(
  { emulators }: Pick<Driver, 'emulators'>,
  programs: readonly string[],
): Promise<void> {
  await mkdir(emulators, { recursive: true, mode: 0o755 });
  for (const program of programs) {
    const wrapper = join(emulators, program);
    await rm(wrapper, { force: true });
    if (await exists(join('/usr/bin', program))) await symlink(`${IN_IMAGE.bin}/qemu`, wrapper);
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

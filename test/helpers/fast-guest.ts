import { createHash } from 'node:crypto';
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { converse } from './converse.ts';
import { newestKernel, unpackPackages } from './fast-guest/debian-packages.ts';
import { writeDisk } from './fast-guest/disk.ts';
import { FIXTURES, writeInitramfs } from './fast-guest/initramfs.ts';
import { cacheFolder } from './folders.ts';
import { requireTool } from './process.ts';

/** Seen on the serial console once the guest's shell, ports and data are there. */
export const FAST_READY = 'fast-guest: ready';

const PACKAGES = [
  ...['busybox-static', 'grub-pc-bin', 'grub-common', 'libdevmapper1.02.1', 'libselinux1', 'qemu-guest-agent'],
  ...['shim-signed', 'grub-efi-amd64-signed'],
  ...['libc6', 'libglib2.0-0', 'libpcre2-8-0', 'libnuma1', 'libudev1', 'liburing2', 'libcap2'],
];

/** Debian's kernels, by the empty package that stands for the newest, and what one has as modules beside what all have. */
const KERNELS = {
  cloud: { empty: 'linux-image-cloud-amd64', modules: [] },
  generic: { empty: 'linux-image-amd64', modules: ['crc32c_generic', 'ext4', '9p', '9pnet_virtio'] },
} as const;

/** The cloud kernel is small; only the generic one has 9p. */
export type FastKernel = keyof typeof KERNELS;

/**
 * A guest that boots in seconds under emulation: a kernel of Debian 12, busybox, qemu-guest-agent. Path of a qcow2, cached by
 * what it is made from. A root shell on ttyS0; 22 greets like SSH, 80 serves its host name, 23 runs one line and answers with its
 * output; /data is ext4 on the disk and counts boots in /data/boots; the seed is on /seed.
 */
export async function fastGuest(kernel: FastKernel = 'cloud'): Promise<string> {
  const folder = await cacheFolder('fast-guest');
  const disk = join(folder, `${await key(kernel)}.qcow2`);
  const exists = await access(disk).then(
    () => true,
    () => false,
  );
  if (!exists) await build(disk, kernel);
  return disk;
}

/** Runs one line in the guest through TCP port 23 and returns what it printed; throws when it failed or nobody answered. */
export async function fastCommand(host: string, port: number, command: string, timeoutMs = 20_000): Promise<string> {
  return fastAnswer(command, await converse({ host, port }, `${command}\n`, { timeoutMs }));
}

/** What the command printed, from all that port 23 said: output, then how it ended. Throws unless it ended well. */
export function fastAnswer(command: string, answer: string): string {
  const [, output = '', code] = /^([\s\S]*)\[exit (\d+)\]\n$/.exec(answer) ?? [];
  if (code !== '0') throw new Error(`${command} in the guest: ${JSON.stringify(answer)}`);
  return output;
}

async function build(disk: string, kernel: FastKernel): Promise<void> {
  const { empty, modules } = KERNELS[kernel];
  await requireTool('apt-get', 'dpkg-deb', 'busybox', 'gzip', 'mke2fs', 'mformat', 'qemu-img');
  const scratch = await mkdtemp(join(tmpdir(), 'virtainers-test-fast-guest-'));
  try {
    const packages = join(scratch, 'packages');
    await unpackPackages([await newestKernel(empty, scratch), ...PACKAGES], packages, scratch);
    const initramfs = join(scratch, 'initramfs.cpio');
    await writeInitramfs(packages, modules, initramfs, scratch);
    await writeDisk(packages, `${initramfs}.gz`, disk, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Of everything that is ours in it: fixtures and the code that puts them together. */
async function key(kernel: FastKernel): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([PACKAGES, KERNELS[kernel]]));
  for (const folder of [FIXTURES, join(import.meta.dirname, 'fast-guest')]) {
    for (const name of (await readdir(folder)).sort()) hash.update(name).update(await readFile(join(folder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

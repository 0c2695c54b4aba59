import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { repository } from '../folders.ts';
import { exec } from '../process.ts';

export const FIXTURES = join(repository, 'test/fixtures/fast-guest');

const MODULES = [
  ...['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio_balloon', 'virtio-rng', 'virtio_scsi'],
  ...['sr_mod', 'isofs', 'button', 'evdev', 'pvpanic-pci', 'pvpanic-mmio', 'qemu_fw_cfg', 'efivarfs', 'virtiofs'],
];

/** Where each file of test/fixtures/fast-guest lands. */
const PLACES: Readonly<Record<string, string>> = {
  inittab: 'etc/inittab',
  rc: 'etc/rc',
  profile: 'etc/profile',
  udhcpc: 'etc/udhcpc',
  greet: 'bin/greet',
  door: 'bin/door',
  agent: 'bin/agent',
  'cloud-init': 'bin/cloud-init',
  goodbye: 'bin/goodbye',
  shutdown: 'sbin/shutdown',
  'power-button': 'etc/acpi/PWRF/00000080',
};

/** Writes a gzipped cpio (Linux, driver-api/early-userspace) of busybox, the agent and the modules, and `more` of them, from unpacked `packages`. */
export async function writeInitramfs(
  packages: string,
  more: readonly string[],
  target: string,
  scratch: string,
): Promise<void> {
  const root = join(scratch, 'initramfs');
  for (const folder of [
    'proc',
    'sys',
    'dev',
    'data',
    'seed',
    'www',
    'root',
    'run',
    'tmp',
    'var/run',
    'lib/modules',
    'lib64',
  ]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await copyBusybox(packages, root);
  for (const [name, place] of Object.entries(PLACES)) await copyFixture(name, join(root, place));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  await copyAgent(packages, root);
  await copyModules(packages, [...MODULES, ...more], root);
  await pack(root, target);
}

async function copyBusybox(packages: string, root: string): Promise<void> {
  const busybox = join(packages, 'bin/busybox');
  for (const folder of ['bin', 'sbin', 'etc']) await mkdir(join(root, folder), { recursive: true });
  await cp(busybox, join(root, 'bin/busybox'));
  const { stdout } = await exec(busybox, ['--list']);
  for (const applet of stdout.split('\n').filter((name) => name && name !== 'busybox')) {
    await symlink('busybox', join(root, 'bin', applet));
  }
  for (const applet of ['init', 'poweroff', 'reboot', 'halt'])
    await symlink('../bin/busybox', join(root, 'sbin', applet));
  await symlink('bin/busybox', join(root, 'init'));
}

async function copyFixture(name: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, await readFile(join(FIXTURES, name)), { mode: 0o755 });
}

async function copyAgent(packages: string, root: string): Promise<void> {
  await cp(join(packages, 'usr/sbin/qemu-ga'), join(root, 'bin/qemu-ga'));
  await cp(join(packages, 'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'), join(root, 'lib64/ld-linux-x86-64.so.2'));
  const libraries = ['libc.so.6', 'libm.so.6', 'libglib-2.0.so.0', 'libgmodule-2.0.so.0', 'libpcre2-8.so.0'];
  for (const name of [...libraries, 'libnuma.so.1', 'libudev.so.1', 'liburing.so.2', 'libcap.so.2']) {
    const { stdout } = await exec('find', ['-L', packages, '-path', `*x86_64-linux-gnu/${name}`, '-type', 'f']);
    const found = stdout.split('\n')[0];
    if (!found) throw new Error(`${name} is in none of the packages`);
    await cp(found, join(root, 'lib', name), { dereference: true });
  }
}

/** The modules and what they need, in the order in which they can be loaded. */
async function copyModules(packages: string, names: readonly string[], root: string): Promise<void> {
  const { stdout } = await exec('find', [join(packages, 'lib/modules'), '-mindepth', '1', '-maxdepth', '1']);
  const kernel = stdout.trim();
  await exec('busybox', ['depmod', '-b', packages, basename(kernel)]);
  const needs = parseModulesDep(await readFile(join(kernel, 'modules.dep'), 'utf8'));
  const order = [...new Set(names.flatMap((name) => needs.get(`${name}.ko`) ?? missing(name)))];
  for (const file of order) await cp(join(kernel, file), join(root, 'lib/modules', basename(file)));
  await writeFile(join(root, 'lib/modules/order'), order.map((file) => `/lib/modules/${basename(file)}\n`).join(''));
}

/** modules.dep(5): `a: b c` means c, then b, then a. Keyed by file name. */
function parseModulesDep(text: string): Map<string, string[]> {
  const rows = text.split('\n').filter((line) => line.includes(':'));
  return new Map(
    rows.map((line) => {
      const [file = '', needs = ''] = line.split(':');
      return [basename(file), [...needs.split(' ').filter(Boolean).reverse(), file]];
    }),
  );
}

function missing(name: string): never {
  throw new Error(`the kernel has no module ${name}`);
}

async function pack(root: string, target: string): Promise<void> {
  const { stdout: names } = await exec('find', ['.'], { cwd: root });
  await exec('busybox', ['cpio', '-o', '-H', 'newc', '-R', '0:0', '-F', target], { cwd: root, input: names });
  await exec('gzip', ['-1', '--force', target]);
}

import { cp, mkdir, open, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../process.ts';
import { FIXTURES } from './initramfs.ts';

const MiB = 1024 * 1024;
const SIZE = 512 * MiB;
const START = MiB;
const ESP_SIZE = 16 * MiB;
const ESP_START = SIZE - ESP_SIZE;

/**
 * A qcow2 with an MBR, GRUB in the gap behind it and one ext4 partition that holds the kernel and takes the guest's data.
 * A second partition is UEFI's, with Debian's signed boot loaders, so that both firmwares start it.
 */
export async function writeDisk(packages: string, initramfs: string, target: string, scratch: string): Promise<void> {
  const raw = join(scratch, 'disk.raw');
  await writeFile(raw, '');
  await truncate(raw, SIZE);
  const files = await bootFolder(packages, initramfs, scratch);
  // GRUB 2.06 reads neither feature; both are mke2fs 1.47's defaults.
  const features = '^metadata_csum_seed,^orphan_file';
  await exec('mke2fs', [
    ...['-q', '-t', 'ext4', '-O', features, '-L', 'fast', '-d', files, '-E', `offset=${START}`],
    ...[raw, `${(ESP_START - START) / 1024}k`],
  ]);
  await installGrub(packages, raw, scratch);
  await installSigned(packages, raw, scratch);
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, `${target}.tmp`]);
  await rename(`${target}.tmp`, target);
}

async function bootFolder(packages: string, initramfs: string, scratch: string): Promise<string> {
  const files = join(scratch, 'files');
  await mkdir(join(files, 'boot'), { recursive: true });
  const { stdout } = await exec('find', [join(packages, 'boot'), '-name', 'vmlinuz-*']);
  await cp(stdout.trim(), join(files, 'boot/vmlinuz'));
  await cp(initramfs, join(files, 'boot/initramfs'));
  return files;
}

/**
 * grub.cfg says no_timer_check: on a busy host an emulated timer can be late, which the kernel would take for broken hardware.
 * boot.img expects core.img in the next sector and core.img its own rest in the one after, which is where they lie here.
 */
async function installGrub(packages: string, raw: string, scratch: string): Promise<void> {
  const modules = join(packages, 'usr/lib/grub/i386-pc');
  const core = join(scratch, 'core.img');
  await exec(
    join(packages, 'usr/bin/grub-mkimage'),
    [
      ...['--format', 'i386-pc', '--directory', modules, '--config', join(FIXTURES, 'grub.cfg')],
      ...['--prefix', '(hd0,msdos1)/boot', '--output', core],
      ...['biosdisk', 'part_msdos', 'ext2', 'linux', 'boot'],
    ],
    { env: { LD_LIBRARY_PATH: libraryPath(packages) } },
  );
  const disk = await open(raw, 'r+');
  try {
    await disk.write(masterBootRecord(await readFile(join(modules, 'boot.img'))), 0, 512, 0);
    const image = await readFile(core);
    await disk.write(image, 0, image.length, 512);
  } finally {
    await disk.close();
  }
}

/** shim (signed by Microsoft) starts GRUB (signed by Debian), which starts the kernel (likewise): UEFI with secure boot lets them. */
async function installSigned(packages: string, raw: string, scratch: string): Promise<void> {
  const esp = join(scratch, 'esp.img');
  await writeFile(esp, '');
  await truncate(esp, ESP_SIZE);
  await exec('mformat', ['-i', esp, '-T', String(ESP_SIZE / 512), '-h', '1', '-s', '1', '::']);
  for (const folder of ['EFI', 'EFI/BOOT', 'EFI/debian']) await exec('mmd', ['-i', esp, `::${folder}`]);
  const files = {
    'EFI/BOOT/BOOTX64.EFI': join(packages, 'usr/lib/shim/shimx64.efi.signed'),
    'EFI/BOOT/grubx64.efi': join(packages, 'usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed'),
    'EFI/debian/grub.cfg': join(FIXTURES, 'grub-efi.cfg'),
  };
  for (const [name, from] of Object.entries(files)) await exec('mcopy', ['-i', esp, from, `::${name}`]);
  const disk = await open(raw, 'r+');
  try {
    const image = await readFile(esp);
    await disk.write(image, 0, image.length, ESP_START);
  } finally {
    await disk.close();
  }
}

function libraryPath(packages: string): string {
  return ['lib', 'usr/lib'].map((folder) => join(packages, folder, 'x86_64-linux-gnu')).join(':');
}

/** GRUB's first sector with an active Linux partition (type 0x83) in its table, and behind it UEFI's own (type 0xef). */
function masterBootRecord(bootImage: Buffer): Buffer {
  const sector = Buffer.alloc(512);
  bootImage.copy(sector, 0, 0, 440);
  sector.set([0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff], 446);
  sector.writeUInt32LE(START / 512, 454);
  sector.writeUInt32LE((ESP_START - START) / 512, 458);
  sector.set([0x00, 0xfe, 0xff, 0xff, 0xef, 0xfe, 0xff, 0xff], 462);
  sector.writeUInt32LE(ESP_START / 512, 470);
  sector.writeUInt32LE(ESP_SIZE / 512, 474);
  sector.writeUInt16BE(0x55aa, 510);
  return sector;
}

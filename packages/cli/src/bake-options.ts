import type { OptionRow } from './commands/rows.ts';

/** Of `bake`: its disk, and what is put into that by booting it once. */
export const customizing: readonly OptionRow[] = [
  {
    flags: '--user <user>',
    description: "login user of the guest; otherwise the catalogue's, or guessed from the file name",
  },
  { flags: '--size <size>', description: 'grow the disk, such as 20G' },
  {
    flags: '--customize <file>',
    description: 'boot the disk once and put into it what a YAML file says, ours or a #cloud-config',
    complete: 'file',
    repeated: true,
  },
  { flags: '--package <name>', description: 'install a package', repeated: true },
  {
    flags: '--file <source:path>',
    description: 'put a file into the disk, such as ./motd:/etc/motd',
    complete: 'file',
    repeated: true,
  },
  { flags: '--run <script>', description: 'run a script in the guest, as root', complete: 'file', repeated: true },
  {
    flags: '--first-boot <command>',
    description: 'a command that each machine runs at its first boot',
    repeated: true,
  },
];

/** Of `bake`: who vouches for a disk that comes from elsewhere. */
export const verifying: readonly OptionRow[] = [
  { flags: '--sha256 <hex>', description: 'what the disk image must hash to, as it was published' },
  { flags: '--sha512 <hex>', description: 'likewise' },
  {
    flags: '--vendor-key <file>',
    description: "the vendor's public key, where `catalog` says unchecked; its fingerprint must be the known one",
    complete: 'file',
  },
  { flags: '--allow-unverified', description: 'bake a URL without a checksum' },
];

/** Of `bake`: documents about an image, and signatures. */
export const attesting: readonly OptionRow[] = [
  {
    flags: '--sbom <file>',
    description: 'write what is in the image, as SPDX; --push attaches it anyway',
    complete: 'file',
  },
  {
    flags: '--provenance <file>',
    description: "write what the image was made from, as in-toto's SLSA provenance; --push attaches it anyway",
    complete: 'file',
  },
  { flags: '--sign', description: 'sign what is pushed, with cosign' },
  {
    flags: '--sign-key <key>',
    description: "sign with this key, a file or a kms:// URI; otherwise with cosign's keyless signing",
    complete: 'file',
  },
];

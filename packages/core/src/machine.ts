import { z } from 'zod';
import { VirtainersError } from './errors.ts';
import { checkFormatVersion } from './format-version.ts';

/** Paths inside an image: the contract between whoever bakes it and the supervisor in it. */
export const IN_IMAGE = {
  disk: '/disk/disk.qcow2',
  machine: '/etc/virtainers/machine.json',
  osinfo: '/etc/virtainers/osinfo.json',
  /** A file for each feature that the image brings. */
  features: '/etc/virtainers/features',
  app: '/usr/lib/virtainers',
  runtime: '/usr/lib/virtainers/runtime.mjs',
  templates: '/usr/lib/virtainers/templates',
  bin: '/usr/lib/virtainers/bin',
  data: '/mounted',
  status: '/run/virtainers/status.json',
  overlays: '/overlays',
  /** Folders for the guest, by name. */
  shares: '/shares',
} as const;

/** Set in every image: the diffIDs of its layers, bottom first, with commas between them. */
export const LAYERS_VARIABLE = 'VIRTAINERS_LAYERS';

/** QEMU's user and group in every image (KubeVirt's containerDisk wants 107 too). */
export const QEMU_UID = 107;
export const QEMU_GID = 107;

/** What images and guests are made for, by the names that OCI and Debian share. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/) as z.ZodType<`sha256:${string}`>;

const FORMAT_VERSION = 1;

/** /etc/virtainers/machine.json: what the disk beside it is. A generic image has no `disk`. */
export const machineSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  /** `debian:13-packages`, or what the cloud image's file was called. */
  name: z.string().min(1),
  arch: z.enum(ARCHITECTURES),
  /** osinfo short id: `debian13`. */
  osinfo: z.string().min(1),
  /** The cloud image's login user. */
  user: z.string().min(1),
  firmware: z.enum(['bios', 'uefi']),
  /** UEFI starts only what its keys vouch for. */
  secureBoot: z.boolean().optional(),
  /** TCP ports that the image exposes, forwarded by `user` and `passt`. */
  ports: z.array(z.int().min(1).max(65535)),
  minRamMiB: z.int().positive().optional(),
  /** The guest is set up by Ignition, which reads its config under this name of QEMU's fw_cfg; otherwise by cloud-init. */
  ignition: z
    .string()
    .regex(/^opt\/[\w./-]{1,50}$/)
    .optional(),
  /** What the guest looks for cloud-init's seed on; a virtio disk where it is not said. */
  seed: z.literal('cdrom').optional(),
  /** What was put into the disk by booting it once; absent where it is as it came. */
  customized: z
    .strictObject({
      /** Of all that was asked for, the bytes of files included. */
      digest,
      /** The disk before. */
      base: digest,
      packages: z.array(z.string()),
      /** Their paths in the guest. */
      files: z.array(z.string()),
      /** Their names. */
      scripts: z.array(z.string()),
      /** Commands that run once in each machine. */
      firstBoot: z.array(z.string()),
      /** There was one. */
      cloudConfig: z.boolean(),
    })
    .optional(),
  disk: z
    .strictObject({
      format: z.literal('qcow2'),
      /** Of the file's bytes. */
      sha256: digest,
      /** Of the file, in bytes. */
      size: z.int().positive(),
      /** What the guest sees, in bytes. */
      virtualSize: z.int().positive(),
    })
    .optional(),
});

export type Machine = z.infer<typeof machineSchema>;

/** Parses machine.json; `where` is named in the error. */
export function parseMachine(text: string, where: string): Machine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VirtainersError('CONFIG_INVALID', `reading ${where}: not JSON`, { cause });
  }
  checkFormatVersion(json, FORMAT_VERSION, where, 'CONFIG_INVALID');
  const parsed = machineSchema.safeParse(json);
  if (!parsed.success) {
    throw new VirtainersError('CONFIG_INVALID', `reading ${where}:\n${z.prettifyError(parsed.error)}`, {
      cause: parsed.error,
    });
  }
  return parsed.data;
}

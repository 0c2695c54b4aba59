import { parseSize } from '@virtainers/core';
import { z } from 'zod';
import { cloudFields } from './cloud.ts';

/** `{words}` are an architecture's. */
const packageName = z
  .string()
  .regex(/^(?:[a-z0-9]|\{[a-z]\w*\})(?:[a-z0-9.+-]|\{[a-z]\w*\})*$/, 'a Debian package name');
const imageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]*(:[a-z0-9][a-z0-9._-]*)?$/, 'a name such as debian:13-packages');
const reason = z.string().min(10);
/** Relative to the root: `*` and `?` within a name, `{a,b}` for either. */
const glob = z.string().regex(/^[^/].*[^/]$/);

/** What an architecture has of its own. */
const own = {
  /** What stands for `{name}` in packages and paths. */
  words: z.record(z.string().regex(/^[a-z]\w*$/), z.string()).default({}),
  /** Beside those that all have. */
  packages: z.array(packageName).default([]),
};

/** Where packages come from: a Debian suite with its updates and security fixes. */
const archive = {
  suite: z.string().regex(/^[a-z][a-z0-9-]*$/),
  /** What stands before `/debian` and `/debian-security`. */
  mirror: z.url({ protocol: /^https?$/ }).default('http://deb.debian.org'),
  packages: z.array(packageName).min(1),
};

/** What a definition of packages is made for; amd64 unless it says. */
function byArchitecture<Shape extends typeof own>(shape: Shape) {
  const one = z.strictObject(shape);
  return z.strictObject({ amd64: one.optional(), arm64: one.optional() }).prefault({ amd64: {} as never });
}

const image = {
  name: imageName,
  aliases: z.array(imageName).default([]),
  title: z.string().min(1),
  homepage: z.url().optional(),
  license: z.string().optional(),
  endOfLife: z.iso.date().describe('After this day there are no more security fixes.').optional(),
  osinfo: z
    .string()
    .regex(/^[a-z0-9.-]+$/)
    .describe('osinfo-db’s short id, such as debian13.'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$/)
    .describe('Who logs in.'),
  firmware: z
    .array(z.enum(['bios', 'uefi']))
    .min(1)
    .describe('What the disk boots with on amd64; on arm64 that is UEFI everywhere.')
    .default(['bios']),
  /** Its boot loader is signed, and UEFI is to check that. */
  secureBoot: z.boolean().default(false),
  minRamMiB: z.int().positive().optional(),
  seed: z
    .literal('cdrom')
    .describe('For guests that find cloud-init’s seed on a CD-ROM only; others get it as a virtio disk.')
    .optional(),
  ignition: z
    .enum(['opt/com.coreos/config', 'opt/org.flatcar-linux/config'])
    .describe(
      'Where Ignition looks for its config in QEMU’s fw_cfg, in a guest that it sets up; others have cloud-init.',
    )
    .optional(),
  ports: z.array(z.int().min(1).max(65535)).default([22]),
};

const size = z.string().transform((text, context) => {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes % MIB === 0 && bytes >= 2048 * MIB) return bytes;
  context.addIssue({ code: 'custom', message: 'a size of whole MiB, at least 2G, such as 10G' });
  return z.NEVER;
});

const MIB = 1024 * 1024;

const packagesSchema = z.strictObject({
  kind: z.literal('packages'),
  ...image,
  ...archive,
  architectures: byArchitecture(own),
  /** Virtual size of the disk, in bytes once parsed. */
  size,
  /** Who carries out what cloud-init is told about the network. */
  network: z.enum(['networkd', 'ifupdown']),
  /** Added to the kernel command line. */
  kernelArguments: z.array(z.string().regex(/^[\w.,=:/-]+$/)).default([]),
  /** systemd units and generators (systemd.generator(7)) that never run, and why. */
  masked: z.array(z.strictObject({ because: reason, units: z.array(z.string().regex(/^[\w@.-]+$/)) })).default([]),
});

const cloudSchema = z.strictObject({
  kind: z.literal('cloud'),
  ...image,
  ...cloudFields,
  minDisk: size
    .describe('The least virtual size that makes sense, such as 10G: a smaller disk is grown to it.')
    .optional(),
});

const genericSchema = z.strictObject({ kind: z.literal('generic'), ...image });

const dropped = z.array(z.strictObject({ because: reason, paths: z.array(glob) })).default([]);

/** Packages that are unpacked and never configured. */
const unpacked = {
  title: z.string().min(1),
  ...archive,
  architectures: byArchitecture({ ...own, drop: dropped, keep: z.array(glob).default([]) }),
  /** Packages that the others ask for and that nothing in the layer uses. */
  without: z.array(z.strictObject({ because: reason, packages: z.array(packageName) })).default([]),
  /** Paths (globs; a folder means all in it) that are left out. */
  drop: dropped,
  /** Paths that stay all the same. */
  keep: z.array(glob).default([]),
};

const rootSchema = z.strictObject({ kind: z.literal('root'), name: imageName, ...unpacked });

/** Its name is an option's value, a file's name in the image and part of a label. */
const featureSchema = z.strictObject({
  kind: z.literal('feature'),
  name: z.string().regex(/^[a-z][a-z0-9]*$/),
  ...unpacked,
});

/** What a file in images/ may say. */
export const definitionSchema = z.discriminatedUnion('kind', [
  packagesSchema,
  cloudSchema,
  genericSchema,
  rootSchema,
  featureSchema,
]);

/** `stem` is the file's name without `.yaml`: what its lock file is called. */
interface FromFile {
  readonly path: string;
  readonly stem: string;
}

/** A disk made from a distro's packages. */
export type PackagesDefinition = z.infer<typeof packagesSchema> & FromFile;
/** A vendor's cloud image. */
export type CloudDefinition = z.infer<typeof cloudSchema> & FromFile;
/** An image without a disk: its user mounts one at /image. */
export type GenericDefinition = z.infer<typeof genericSchema> & FromFile;
/** The runtime root or the tool root. */
export type RootDefinition = z.infer<typeof rootSchema> & FromFile;
/** What an image may bring above the runtime root. */
export type FeatureDefinition = z.infer<typeof featureSchema> & FromFile;
/** What `virtainers catalog` lists and `bake` takes. */
export type ImageDefinition = PackagesDefinition | CloudDefinition | GenericDefinition;
export type Definition = ImageDefinition | RootDefinition | FeatureDefinition;

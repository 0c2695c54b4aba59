import type { CommandRow } from './rows.ts';
import { base, cacheDir, ENGINES, engine, insecure, json, machine } from './shared-rows.ts';

/** Commands about a machine's disk. */
export const DISK_COMMANDS: readonly CommandRow[] = [
  {
    name: 'publish',
    summary: "share a machine's disk: what it changed, as one more layer on its image",
    arguments: [machine, { name: '<reference>', description: 'what the new image is called, and where it is sent' }],
    options: [
      { flags: '-o, --output <file>', description: 'write an archive instead of sending it', complete: 'file' },
      {
        flags: '--flatten',
        description: 'write the whole disk anew, as one that stands alone, instead of one more layer',
      },
      {
        flags: '--commit',
        description: "likewise, by adding to the bytes of the base's disk: faster, and larger",
      },
      {
        flags: '--scrub',
        description:
          'take out what only this machine may have: machine-id, SSH host keys, the state of cloud-init, logs, shell histories; done by itself unless it goes into an archive',
      },
      { flags: '--no-scrub', description: 'publish the disk as it is, unread' },
      { flags: '--message <text>', description: "what has changed, for the image's history" },
      base,
      insecure,
      engine,
      cacheDir,
      json,
    ],
    examples: [
      {
        command: 'virtainers publish box registry.example/me/box:1 --message nginx',
        meaning:
          'send what the machine box has changed, running or not; layers that the registry has are not sent again',
      },
      { command: 'virtainers publish ./data me/box:1 -o box.tar', meaning: 'an archive, from a data folder' },
      {
        command: 'virtainers publish box registry.example/me/box:2 --flatten',
        meaning: 'one disk that depends on no other',
      },
    ],
    load: () => import('./publish.ts'),
  },
  {
    name: 'pull',
    summary: 'take an image out of a registry, its layers and disks checked',
    arguments: [{ name: '<reference>', description: "a registry's" }],
    options: [
      { flags: '-o, --output <file>', description: 'write an archive; no engine is needed', complete: 'file' },
      {
        flags: '--load <engine>',
        description: 'put it into docker or podman; without --output into the first that answers',
        complete: ENGINES,
      },
      { flags: '--arch <architecture>', description: "amd64 or arm64; otherwise this machine's" },
      insecure,
      cacheDir,
      json,
    ],
    examples: [
      {
        command: 'virtainers pull registry.example/me/box:1 -o box.tar',
        meaning: 'what the cache has of it is not fetched again',
      },
      { command: 'virtainers pull registry.example/me/box:1 --load podman', meaning: 'into Podman' },
    ],
    load: () => import('./pull.ts'),
  },
  {
    name: 'diff',
    summary: 'show what a machine changed: bytes by partition, and files where they lie in ext4',
    arguments: [machine],
    options: [base, insecure, engine, cacheDir, json],
    examples: [{ command: 'virtainers diff box', meaning: 'A: added, C: changed, D: deleted, each with its size' }],
    load: () => import('./diff.ts'),
  },
  {
    name: 'rebase',
    summary: "move a data folder onto another image's disk; the guest's disk stays the same",
    arguments: [
      { name: '<folder>', description: 'a data folder that no machine uses', complete: 'folder' },
      { name: '<image>', description: "the image to lie on: a registry's reference, an archive or an OCI layout" },
    ],
    options: [base, insecure, cacheDir, json],
    examples: [
      {
        command: 'virtainers rebase ./data registry.example/me/box:2',
        meaning: 'the old overlay is kept until the new one was compared with it',
      },
    ],
    load: () => import('./rebase.ts'),
  },
  {
    name: 'export',
    summary: "write a machine's disk, with all that belongs to it, into one file",
    arguments: [machine, { name: '<file>', description: 'what to write', complete: 'file' }],
    options: [engine, cacheDir],
    examples: [{ command: 'virtainers export box box.virtainer', meaning: 'what the machine changed, compressed' }],
    load: () => import('./export.ts'),
  },
  {
    name: 'import',
    summary: 'make a data folder of an exported file',
    arguments: [
      { name: '<file>', description: 'what export wrote', complete: 'file' },
      { name: '<folder>', description: 'a folder without a disk, made if it is missing', complete: 'folder' },
    ],
    options: [],
    examples: [
      { command: 'virtainers import box.virtainer ./data', meaning: 'on any machine; run it with --data ./data' },
    ],
    load: () => import('./import.ts'),
  },
];

import { attesting, customizing, verifying } from '../bake-options.ts';
import type { CommandRow, GroupRow, OptionRow } from './rows.ts';
import { cacheDir, container, ENGINES, engine, insecure, json } from './shared-rows.ts';
import { CACHE_COMMANDS } from './table-cache.ts';
import { DISK_COMMANDS } from './table-disks.ts';
import { RUN_COMMAND } from './table-run.ts';
import { SNAPSHOT_COMMANDS } from './table-snapshot.ts';

const sinks: readonly OptionRow[] = [
  {
    flags: '-o, --output <file>',
    description: 'write an archive for docker load, podman load and skopeo',
    complete: 'file',
  },
  { flags: '--load <engine>', description: 'put the image into docker or podman', complete: ENGINES },
  { flags: '--push <reference>', description: 'send the image to a registry; its digest stays as printed' },
];
const runtime: readonly OptionRow[] = [
  {
    flags: '--runtime <source>',
    description: 'take the runtime root from this image: a reference, an archive or an OCI layout',
    complete: 'file',
  },
  {
    flags: '--lock-dir <folder>',
    description: 'lock files of package versions to use; otherwise the ones that come along',
    complete: 'folder',
  },
  { flags: '--update-lock', description: "resolve versions anew and write them into the lock folder's files" },
];

/** Understood by every command, before or behind its name. */
export const GLOBAL_OPTIONS: readonly OptionRow[] = [
  { flags: '--debug', description: 'show every program that is run' },
  { flags: '--quiet', description: 'print results and errors only' },
];

/** First words of commands that have two. */
export const GROUPS: readonly GroupRow[] = [
  { name: 'cache', summary: 'see and free what bakes keep (cache ls, prune, path)' },
  { name: 'network', summary: 'make networks for virtual machines (network create)' },
  { name: 'snapshot', summary: 'keep states of a machine and go back to them (snapshot create, ls, restore, rm)' },
];

/** Every command. The help, docs/commands.md and the completion scripts are made from this table. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'bake',
    summary: 'turn cloud images into container images',
    arguments: [
      {
        name: '<images...>',
        description:
          'a name of the catalogue, a disk image (qcow2, raw, vmdk, vhdx, vdi; also .xz, .gz, .zst, .bz2), its http(s) URL, or a container image with a disk in it (oci://REFERENCE, docker-daemon:REFERENCE, containers-storage:REFERENCE, an archive)',
        complete: 'catalogue',
      },
    ],
    options: [
      {
        flags: '-o, --output <file>',
        description:
          'write an archive for docker load, podman load and skopeo; several images: one archive if it ends in .tar, else a folder',
        complete: 'file',
      },
      ...sinks.slice(1),
      insecure,
      {
        flags: '--name <name>',
        description: 'name of the image; otherwise virtainers/{name}:{tag}, which --push understands too',
      },
      {
        flags: '--arch <arch>',
        description:
          'guests of amd64 or arm64; otherwise what the file name says, or amd64. Both: one name, an index over two images',
        complete: ['amd64', 'arm64'],
        repeated: true,
      },
      {
        flags: '--platform <platform>',
        description:
          'containers for linux/amd64 or linux/arm64; otherwise as --arch. A guest of arm64 runs on amd64 too, slowly',
        complete: ['linux/amd64', 'linux/arm64'],
      },
      { flags: '--tag <name>', description: 'one more name of the image', repeated: true },
      {
        flags: '--label <key=value>',
        description: "one more label; those named io.virtainers.* are virtainers' own",
        repeated: true,
      },
      ...attesting,
      ...verifying,
      { flags: '--offline', description: 'ask nothing from the network: bake what was fetched before' },
      { flags: '--osinfo <id>', description: 'osinfo short id of the guest, such as debian13' },
      {
        flags: '--firmware <firmware>',
        description: 'bios or uefi; otherwise bios where the disk boots with it',
        complete: ['bios', 'uefi'],
      },
      {
        flags: '--feature <feature>',
        description: 'what the image brings beside it: uefi (also a TPM), aarch64, rbd, share or spice',
        complete: ['aarch64', 'rbd', 'share', 'spice', 'uefi'],
        repeated: true,
      },
      ...customizing,
      { flags: '--max-virtual-size <size>', description: 'refuse larger disks; 1T unless given' },
      ...runtime,
      cacheDir,
      json,
    ],
    examples: [
      {
        command: 'virtainers bake fedora --load docker',
        meaning: 'fetch the newest Fedora, check it, put it into Docker',
      },
      {
        command: 'virtainers bake debian:13-packages --load docker',
        meaning: "make a Debian 13 from Debian's packages",
      },
      {
        command: 'virtainers bake fedora --firmware uefi --load docker',
        meaning: 'the same, started by UEFI instead of a BIOS',
      },
      {
        command: 'virtainers bake debian:12-packages -o debian-12.tar',
        meaning: 'write an archive; no engine is needed',
      },
      {
        command: 'virtainers bake debian:13-packages debian:12-packages -o both.tar',
        meaning: 'several over one runtime root, which is made, written and loaded once',
      },
      {
        command: 'virtainers bake ./disk.qcow2 --user admin --name team/box:1 --load podman',
        meaning: 'bake a disk of your own',
      },
      {
        command: 'virtainers bake https://example.org/cloud.img --sha256 HEX --push registry.example/me/box:1',
        meaning: 'fetch, verify, bake and publish',
      },
      {
        command: 'virtainers bake oci://quay.io/containerdisks/fedora:41 --load docker',
        meaning: 'take over the disk of a KubeVirt containerDisk',
      },
    ],
    load: () => import('./bake.ts'),
  },
  {
    name: 'catalog',
    summary: 'list the cloud images that can be baked by name',
    arguments: [],
    options: [
      { flags: '--arch <arch>', description: 'only what there is for amd64 or arm64', complete: ['amd64', 'arm64'] },
      { flags: '--all', description: 'also releases that get no security fixes any longer' },
      cacheDir,
      json,
    ],
    examples: [
      {
        command: 'virtainers catalog',
        meaning: 'names, login users, who vouches for them, and which are baked already',
      },
      { command: 'virtainers catalog --all --arch arm64', meaning: 'all there is for arm64, ended releases too' },
    ],
    load: () => import('./catalog.ts'),
  },
  ...CACHE_COMMANDS,
  {
    name: 'inspect',
    summary: 'show what an archive or a published image holds',
    arguments: [
      { name: '<image>', description: "an archive, an OCI layout folder or a registry's reference", complete: 'file' },
    ],
    options: [
      { flags: '--sbom', description: 'print the SPDX document beside a published image' },
      { flags: '--provenance', description: "print in-toto's statement beside a published image" },
      insecure,
      cacheDir,
      json,
    ],
    examples: [
      { command: 'virtainers inspect debian-12.tar', meaning: 'digest, disk and layers of an archive' },
      {
        command: 'virtainers inspect registry.example/me/box:1 --json',
        meaning: 'the same of a published image, for scripts',
      },
      { command: 'virtainers inspect registry.example/me/box:1 --sbom', meaning: 'every package in it' },
    ],
    load: () => import('./inspect.ts'),
  },
  {
    name: 'upgrade',
    summary: 'put a new runtime under the disk of an image',
    arguments: [
      {
        name: '<image>',
        description:
          "a reference (with --load, the engine's own image if it has it; else a registry's), an archive or an OCI layout folder",
        complete: 'file',
      },
    ],
    options: [
      ...sinks,
      insecure,
      { flags: '--name <name>', description: "name of the new image; otherwise the old one's" },
      ...runtime,
      cacheDir,
      json,
    ],
    examples: [
      { command: 'virtainers upgrade me/box:1 --load docker', meaning: 'the same disk over a new runtime, in Docker' },
      { command: 'virtainers upgrade registry.example/me/box:1', meaning: 'only say what would change' },
      {
        command: 'virtainers upgrade registry.example/me/box:1 --push registry.example/me/box:2',
        meaning: 'the disk layer is not sent again',
      },
    ],
    load: () => import('./upgrade.ts'),
  },
  RUN_COMMAND,
  {
    name: 'ssh',
    summary: 'log in, or run a command in a guest',
    arguments: [container, { name: '[command...]', description: 'what to run there; otherwise a shell' }],
    options: [
      { flags: '-l, --user <user>', description: "who logs in; otherwise the image's user" },
      {
        flags: '-i, --identity <file>',
        description: "private key to log in with; otherwise the one that belongs to run's --ssh-key",
        complete: 'file',
      },
      engine,
    ],
    examples: [
      { command: 'virtainers ssh box', meaning: 'a shell in the guest, whichever way leads to it' },
      { command: 'virtainers ssh box cloud-init status --long', meaning: 'one command; its exit code is passed on' },
    ],
    passThrough: true,
    load: () => import('./ssh.ts'),
  },
  {
    name: 'wait',
    summary: 'wait until a guest is ready',
    arguments: [container],
    options: [engine, json],
    examples: [{ command: 'virtainers wait box && virtainers ssh box uptime', meaning: 'go on as soon as it is up' }],
    load: () => import('./wait.ts'),
  },
  ...DISK_COMMANDS,
  ...SNAPSHOT_COMMANDS,
  {
    name: 'network create',
    summary: 'make a network for virtual machines, clear of every other',
    arguments: [{ name: '<name>', description: 'what --network of run is given' }],
    options: [
      {
        flags: '--subnet <prefix>',
        description: 'its addresses, such as 172.28.1.0/24; otherwise a free /24. One IPv4, one IPv6',
        repeated: true,
      },
      {
        flags: '--ip-range <prefix>',
        description: 'the part of the subnet that containers get addresses from',
        repeated: true,
      },
      {
        flags: '--gateway <address>',
        description: "the guests' gateway; otherwise the subnet's first address, for --macvlan the LAN's own",
        repeated: true,
      },
      {
        flags: '--macvlan <interface>',
        description:
          "put guests on the LAN of this interface, with MAC addresses of their own; the subnet is the LAN's. This machine itself cannot reach them",
      },
      {
        flags: '--external',
        description:
          "the subnet is a part of the LAN that its DHCP server leaves alone, and may lie in this machine's own: guests get addresses of the LAN, and this machine is their router (Docker)",
      },
      engine,
      json,
    ],
    examples: [
      { command: 'virtainers network create lab', meaning: 'a free subnet, which is printed' },
      {
        command: 'virtainers network create virtual --subnet 172.28.100.0/24 --gateway 172.28.100.1',
        meaning: 'addresses of your choice; refused where something has them already',
      },
      {
        command: 'virtainers network create dual --subnet fd12:3456:789a:1::/64',
        meaning: 'IPv6 too; the IPv4 subnet is chosen',
      },
      {
        command: 'virtainers network create lan --macvlan eth0 --ip-range 192.168.2.224/27',
        meaning: "guests on eth0's LAN, with addresses that its DHCP server leaves alone",
      },
      {
        command: 'virtainers network create externalnet --external --subnet 192.168.2.224/27',
        meaning: 'the same by routing: this machine reaches them too; says which routes are left to you',
      },
    ],
    load: () => import('./network-create.ts'),
  },
  {
    name: 'doctor',
    summary: 'show what this machine can do, and how to make it do more',
    arguments: [],
    options: [cacheDir, json],
    examples: [{ command: 'virtainers doctor', meaning: 'engines, KVM, tools and keys, each with its remedy' }],
    load: () => import('./doctor.ts'),
  },
  {
    name: 'completion',
    summary: 'print a completion script for your shell',
    arguments: [{ name: '<shell>', description: 'bash, zsh or fish', complete: ['bash', 'zsh', 'fish'] }],
    options: [],
    examples: [
      { command: 'source <(virtainers completion bash)', meaning: 'for this shell; put it into ~/.bashrc for all' },
      { command: 'source <(virtainers completion zsh)', meaning: 'likewise, in ~/.zshrc' },
      { command: 'virtainers completion fish > ~/.config/fish/completions/virtainers.fish', meaning: 'fish' },
    ],
    load: () => import('./completion.ts'),
  },
];

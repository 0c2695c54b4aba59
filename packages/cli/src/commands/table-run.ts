import type { CommandRow } from './rows.ts';
import { engine } from './shared-rows.ts';

/** `run`, the command with the most options. */
export const RUN_COMMAND: CommandRow = {
  name: 'run',
  summary: 'start a virtual machine in a container',
  arguments: [
    { name: '<image>', description: 'a name of the catalogue that was baked, or a reference', complete: 'catalogue' },
  ],
  options: [
    { flags: '--name <name>', description: "the container's name; otherwise made from the image's" },
    { flags: '--memory <size>', description: 'memory of the guest, such as 2G; a bare number is MiB' },
    { flags: '--cpus <number>', description: 'virtual CPUs' },
    { flags: '--disk-size <size>', description: 'virtual size of the disk, such as 20G; never shrinks' },
    {
      flags: '--ssh-key <file>',
      description: 'public key to let in; otherwise the first of ~/.ssh/id_{ed25519,ecdsa,rsa}.pub',
      complete: 'file',
    },
    { flags: '--user-data <file>', description: "cloud-init's user-data", complete: 'file' },
    {
      flags: '--disk <disk>',
      description:
        "one more disk: FILE[:NAME][:ro], a disk image or a block device, or one on the network, such as rbd:POOL/IMAGE; the guest's /dev/disk/by-id/virtio-NAME",
      complete: 'file',
      repeated: true,
    },
    {
      flags: '--root-disk <file>',
      description: 'disk image for the image `generic`, which has none of its own',
      complete: 'file',
    },
    {
      flags: '--data <folder>',
      description: 'keep the disk in this folder; otherwise in the volume NAME-data',
      complete: 'folder',
    },
    {
      flags: '--share <host:guest>',
      description: 'a folder of this machine, and where the guest gets it; ends in :ro for one that it may only read',
      complete: 'folder',
      repeated: true,
    },
    { flags: '--publish <ports>', description: 'forward a port, such as 8080:80', repeated: true },
    {
      flags: '--network <network>',
      description: "one of the engine's networks; the first one given is the guest's primary one",
      complete: 'network',
      repeated: true,
    },
    {
      flags: '--ip <address>',
      description: 'fixed address on the first network; one IPv4, one IPv6',
      repeated: true,
    },
    {
      flags: '-e, --env <setting>',
      description: 'any setting of the runtime, such as STOP_TIMEOUT=120',
      repeated: true,
    },
    engine,
    { flags: '--privileged', description: 'give the container every right; rarely needed' },
    { flags: '--rm', description: 'remove the container when the guest powers off; a named volume stays' },
    { flags: '--print', description: 'print the docker or podman command and run nothing' },
    { flags: '--wait', description: 'wait until the guest is ready' },
  ],
  examples: [
    {
      command: 'virtainers run debian:13-packages --name box --wait',
      meaning: 'start Debian 13 and wait until you can log in',
    },
    { command: 'virtainers run debian:13-packages --memory 4G --cpus 2 --disk-size 40G', meaning: 'a larger one' },
    {
      command: 'virtainers run debian:13-packages --publish 8080:80 --data ~/box',
      meaning: 'forward a port, keep the disk in a folder',
    },
    {
      command: 'virtainers run debian:13-packages --disk ~/music.qcow2 --disk /dev/sdb:photos:ro',
      meaning: 'two disks more, the second one to be read only',
    },
    {
      command: 'virtainers run debian:13-packages --share ~/src:/srv/src --share ~/docs:/srv/docs:ro',
      meaning: 'two folders of this machine in the guest (the image is baked with --feature share)',
    },
    {
      command: 'virtainers run debian:13-packages --network lab --ip 172.28.0.10',
      meaning: 'a fixed address on a network of your own (see network create)',
    },
    { command: 'virtainers run debian:13-packages --print', meaning: 'only show the command, to change or keep it' },
  ],
  load: () => import('./run.ts'),
};

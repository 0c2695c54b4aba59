import { GUEST_FOLDERS, NETWORK_DISK_ALLOWED, SHARE_NAMES } from '@virtainers/core';

/** One setting of the runtime, as a person meets it. docs/settings.md is generated from `SETTINGS`. */
export interface Setting {
  /** The environment variable. */
  readonly name: string;
  /** What holds when it is unset or empty. */
  readonly default: string;
  readonly meaning: string;
  /** What is allowed, as it is said in errors. */
  readonly allowed: string;
  /** Its value is never shown. */
  readonly secret?: true;
}

export type SettingName = (typeof TABLE)[number]['name'];

const TABLE = [
  {
    name: 'RAM',
    default: '1024, or what the image needs where that is more',
    meaning:
      "The guest's memory. With its overhead (192 MiB and 5 % of it) it must fit into the container's memory limit.",
    allowed: 'MiB, or a size such as 2G; whole MiB from 64M to 8T',
  },
  { name: 'CPU', default: '1', meaning: 'Virtual CPUs.', allowed: 'a whole number from 1 to 255' },
  {
    name: 'VM_NAME',
    default: 'vm',
    meaning: "libvirt's name of the domain, and the guest's host name unless its meta-data says another.",
    allowed: 'up to 63 letters, digits, dots, hyphens and underscores, the first a letter or digit',
  },
  {
    name: 'OS_VARIANT',
    default: "the image's",
    meaning: 'The operating system in the guest.',
    allowed: 'an osinfo short id, id or alias: debian13, http://debian.org/debian/13, rhel7 (the newest 7.x)',
  },
  {
    name: 'DISK_SIZE',
    default: "the disk's",
    meaning: 'Virtual size of the disk. Grows an existing one, never shrinks.',
    allowed: 'bytes, or a size such as 40G, not below the size of the disk',
  },
  {
    name: 'DISKS',
    default: 'none',
    meaning:
      "Disks on the network beside the machine's own; the image needs the feature rbd. Files and devices are mounted in /volumes and /dev/vm.",
    allowed: NETWORK_DISK_ALLOWED,
    secret: true,
  },
  {
    name: 'IMAGE_DIR',
    default: '/mounted',
    meaning: "Where the guest's writes (local_image.qcow2), their sidecar and saved state are kept.",
    allowed: 'an absolute path',
  },
  {
    name: 'VERIFY',
    default: 'recorded',
    meaning:
      "How the image's disks are checked before each start: by the digests recorded when they were made, or by hashing them in full.",
    allowed: 'recorded or full',
  },
  {
    name: 'CLOUD_INIT_DISK',
    default: '/cloud_init.iso, under /run or /tmp where / cannot be written',
    meaning: 'Where the seed for cloud-init is written, and from where it is attached.',
    allowed: 'an absolute path of a file',
  },
  {
    name: 'PASSWORD',
    default: 'none; a random one, printed once, without any key, user-data or ISO',
    meaning: 'Password of the login user, on the console and by SSH.',
    allowed: 'one line without control characters, at most 512 characters',
    secret: true,
  },
  {
    name: 'PASSWORD_FILE',
    default: 'none',
    meaning: 'A file whose content is used as PASSWORD; the final line break is not part of it.',
    allowed: 'the absolute path of a file that can be read; not together with PASSWORD',
  },
  {
    name: 'SHARES',
    default: 'each folder in /shares under that same path',
    meaning: 'Where the guest gets the folders that the container has in /shares: NAME is the folder /shares/NAME.',
    allowed: `words NAME:/folder/in/the/guest or NAME:/folder/in/the/guest:ro, in quotes where there is a space; a name: ${SHARE_NAMES}; a folder: ${GUEST_FOLDERS}`,
  },
  {
    name: 'NETWORK_MODE',
    default: 'auto',
    meaning: "How the guest is reached on the container's address; auto is the best that the container allows.",
    allowed: 'auto, nat, bridge, macvtap, host-bridge, passt, user or none; or one a NIC: eth0=macvtap eth1=nat',
  },
  {
    name: 'PORTS',
    default: 'what the image exposes',
    meaning: 'Ports that passt and user mode forward to the guest.',
    allowed: 'ports and ranges such as 22,80,8000-8010,53/udp, at most 1000 ports; or none',
  },
  {
    name: 'CIDR',
    default: '192.168.100',
    meaning:
      "First three bytes of the inner /24 of nat mode. Moves by itself when it overlaps the container's networks.",
    allowed: 'three bytes such as 192.168.100',
  },
  {
    name: 'ACCEL',
    default: 'auto',
    meaning: 'KVM or emulation. auto tries KVM by running code in it, and emulates where that fails.',
    allowed: 'auto, kvm or tcg',
  },
  {
    name: 'FIRMWARE',
    default: "auto, the image's",
    meaning: 'What starts the guest. uefi needs the feature of that name in the image.',
    allowed: 'auto, bios or uefi; only uefi for guests of arm64',
  },
  {
    name: 'SECURE_BOOT',
    default: "the image's, no for most",
    meaning: 'UEFI starts only what is signed by a key of its variables: at first those of Microsoft. yes means uefi.',
    allowed: 'yes or no (y, n, true, false, on, off, 1, 0)',
  },
  {
    name: 'TPM',
    default: 'no',
    meaning: 'A TPM 2.0 for the guest, its state kept beside the overlay. Needs the feature uefi in the image.',
    allowed: 'yes or no (y, n, true, false, on, off, 1, 0)',
  },
  {
    name: 'STOP_ACTION',
    default: 'shutdown',
    meaning:
      'What a stop of the container does to the guest: power it off in order; save its memory beside the disk, to go on at the next start; or power it off at once.',
    allowed: 'shutdown, save or destroy',
  },
  {
    name: 'STOP_TIMEOUT',
    default: '60',
    meaning:
      'How long the guest may take to power off. Then its memory is saved, where IMAGE_DIR is a volume with room for it; else it is destroyed.',
    allowed: 'seconds, or a time such as 90s or 2m; at most 1 day',
  },
  {
    name: 'READY_TIMEOUT',
    default: '600',
    meaning: 'How long until a guest that is not ready is called degraded.',
    allowed: 'seconds, or a time such as 90s or 10m; at most 1 day',
  },
  {
    name: 'DEBUG',
    default: 'no',
    meaning: 'Every command run, with its output, in the log.',
    allowed: 'yes or no (y, n, true, false, on, off, 1, 0)',
  },
  {
    name: 'VIRTAINERS_REFERENCE',
    default: 'none',
    meaning: 'The reference under which the image was run, kept beside the overlay for publishing it.',
    allowed: 'an image reference: printable characters without spaces, at most 512',
  },
  {
    name: 'VIRTAINERS_LAYERS',
    default: 'set in the image',
    meaning: 'What the image is made of, kept beside the overlay: `publish` knows the image by it.',
    allowed: 'diffIDs, bottom first, separated by commas',
  },
  {
    name: 'AUTO_ATTACH',
    default: 'yes',
    meaning: "Give every interface of the container to the guest, or only those in ATTACH_IFACES (BBVA/kvm's).",
    allowed: 'a word that begins with y, Y, 1, n, N or 0',
  },
  {
    name: 'ATTACH_IFACES',
    default: 'none',
    meaning: "The interfaces that are given to the guest (BBVA/kvm's).",
    allowed: 'interface names, separated by spaces',
  },
  {
    name: 'SELECTED_NETWORK',
    default: 'none',
    meaning: "Which of an interface's addresses the guest gets (BBVA/kvm's).",
    allowed: 'an address and a prefix length such as 10.0.0.0/8',
  },
  {
    name: 'USE_NET_BRIDGES',
    default: 'no',
    meaning: "A bridge instead of a macvtap (BBVA/kvm's).",
    allowed: 'a word that begins with y, Y, 1, n, N or 0',
  },
  {
    name: 'ENABLE_DHCP',
    default: 'yes',
    meaning: "Answer the guest's DHCP requests (BBVA/kvm's). No is for bridge and macvtap, where others answer them.",
    allowed: 'a word that begins with y, Y, 1, n, N or 0',
  },
  {
    name: 'DNSMASQ_OPTS',
    default: 'none',
    meaning: "More options for the DHCP server (BBVA/kvm's).",
    allowed: 'options of dnsmasq',
  },
  {
    name: 'DNS_SERVERS',
    default: 'none',
    meaning: "DNS servers that the guest is told before the container's own (BBVA/kvm's).",
    allowed: 'addresses, separated by spaces',
  },
  {
    name: 'NO_DHCP',
    default: 'unset',
    meaning: "Leave the guest's DHCP requests to another server (RancherVM's), in bridge and macvtap.",
    allowed: 'anything but nothing means yes',
  },
  {
    name: 'BRIDGE_IF',
    default: 'none',
    meaning: "The host's bridge that the guest joins (docker-qemu's).",
    allowed: 'the name of a bridge',
  },
] as const satisfies readonly Setting[];

export const SETTINGS: readonly Setting[] = TABLE;

export function settingNamed(name: SettingName): Setting {
  return SETTINGS.find((setting) => setting.name === name) as Setting;
}

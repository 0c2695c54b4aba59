import type { For } from '../definition/architectures.ts';
import type { PackagesDefinition } from '../definition/schema.ts';
import type { TarFile } from '../root/canonical-tar.ts';
import type { Board } from './board.ts';
import { espId } from './boot-uefi.ts';
import { grubConfig, grubDefaults } from './grub.ts';

/** The kernel keeps to warnings and systemd says what it starts: a character on an emulated serial port is dear. */
const QUIET = ['quiet', 'systemd.show_status=true'];

/** What a driver in the initramfs may have to find the root on, whatever the VM's bus is. */
const INITRAMFS_MODULES = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'nvme', 'ext4'];

/** Laid into the root before the first package, because configuring packages reads it. */
export function filesBeforePackages(board: Board, rootUuid: string): TarFile[] {
  const modules = [...INITRAMFS_MODULES, ...board.initramfsModules];
  const merged = ['bin', 'sbin', ...board.libraryFolders].flatMap((name): TarFile[] => [
    { path: `usr/${name}`, type: 'directory' },
    { path: name, type: 'symlink', content: `usr/${name}` },
  ]);
  return [
    { path: 'usr', type: 'directory' },
    ...merged,
    ...['etc', 'etc/initramfs-tools', 'etc/initramfs-tools/conf.d'].map(folder),
    ...['usr/share', 'usr/share/initramfs-tools', 'usr/share/initramfs-tools/modules.d'].map(folder),
    { path: 'etc/fstab', content: fstab(rootUuid, board) },
    { path: 'etc/initramfs-tools/conf.d/virtainers', content: 'MODULES=list\nCOMPRESS=zstd\n' },
    { path: 'usr/share/initramfs-tools/modules.d/virtainers', content: `${modules.join('\n')}\n` },
  ];
}

/** Put into the finished root, or in place of what the host or mmdebstrap left there. */
export function filesAfterPackages(
  definition: For<PackagesDefinition>,
  board: Board,
  rootUuid: string,
  grub: readonly TarFile[],
): TarFile[] {
  const kernelArguments = [...board.consoles, ...QUIET, ...board.kernelArguments, ...definition.kernelArguments];
  const masked = definition.masked.flatMap((group) => group.units);
  return [
    ...['dev', 'proc', 'sys', 'run', 'boot/grub'].map(folder),
    ...(board.firmware === 'uefi' ? [folder('boot/efi')] : []),
    ...grub,
    {
      path: 'boot/grub/grub.cfg',
      content: grubConfig(definition.title, rootUuid, kernelArguments, board),
      mode: 0o444,
    },
    { path: 'etc/default/grub', content: grubDefaults(kernelArguments, board) },
    { path: 'etc/fstab', content: fstab(rootUuid, board) },
    { path: 'etc/hostname', content: 'localhost\n' },
    { path: 'etc/hosts', content: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' },
    // Empty: made at the first boot, without what a "first boot" of systemd's would ask and set (machine-id(5)).
    { path: 'etc/machine-id', content: '', mode: 0o444 },
    { path: 'etc/default/locale', content: 'LANG=C.UTF-8\n' },
    // Newer than /usr or as old: nothing in /etc and /var has to be made again at the first boot (systemd.unit(5), ConditionNeedsUpdate).
    ...['etc/.updated', 'var/.updated'].map((path): TarFile => ({ path, content: '' })),
    ...resolver(definition),
    ...aptSources(definition),
    ...(definition.network === 'networkd' ? enabledNetworkd() : []),
    // A disk without cloud-init is one, too.
    ...['etc/cloud', 'etc/cloud/cloud.cfg.d'].map(folder),
    { path: 'etc/cloud/cloud.cfg.d/91_virtainers.cfg', content: CLOUD_CONFIG },
    ...(masked.some(isGenerator) ? [folder('etc/systemd/system-generators')] : []),
    ...masked.map((unit): TarFile => ({ path: maskPath(unit), type: 'symlink', content: '/dev/null' })),
  ];
}

/** Traces of the machine that made the root, secrets that every VM would share, and caches. */
export const DROPPED = [
  'etc/*-',
  'etc/.pwd.lock',
  'etc/apt/sources.list',
  'etc/apt/sources.list.d/*',
  'etc/ssh/ssh_host_*',
  'root/.{bash_history,cache,wget-hsts}',
  'var/cache/{apt/*.bin,apt/archives/*,debconf/*-old,ldconfig/aux-cache,man/*}',
  'var/lib/apt/lists/*',
  'var/lib/dbus/machine-id',
  'var/lib/dpkg/*-old',
  'var/lib/systemd/random-seed',
  'var/log/{alternatives.log,bootstrap.log,btmp,dpkg.log,faillog,lastlog,wtmp,apt/*}',
  'tmp/*',
  'run/*',
  'var/tmp/*',
];

const CLOUD_CONFIG = `# NoCloud is the only source there is; without others named cloud-init looks for nothing else, which takes seconds.
datasource_list: [NoCloud, None]
# GRUB was not installed by debconf, so there is nothing to tell it.
grub_dpkg:
  enabled: false
# An RSA key takes seconds to make where the CPU is emulated, and every client of today takes the others.
ssh_genkeytypes: [ed25519, ecdsa]
# The fingerprints that it prints cost two more seconds there; ssh-keyscan tells them too.
ssh:
  emit_keys_to_console: false
# /etc/default/locale says so already.
locale: false
manage_etc_hosts: true
`;

function isGenerator(unit: string): boolean {
  return unit.endsWith('-generator');
}

function maskPath(unit: string): string {
  return `etc/systemd/${isGenerator(unit) ? 'system-generators' : 'system'}/${unit}`;
}

/** The ESP is for whoever wants to change it: mounting it at each boot would only slow that down. */
function fstab(rootUuid: string, { firmware }: Board): string {
  const root = `UUID=${rootUuid} / ext4 rw,discard,errors=remount-ro 0 1\n`;
  return firmware === 'uefi' ? `${root}UUID=${espId(rootUuid)} /boot/efi vfat umask=0077,noauto 0 0\n` : root;
}

function resolver(definition: Pick<PackagesDefinition, 'network'>): TarFile[] {
  const path = 'etc/resolv.conf';
  if (definition.network !== 'networkd') return [{ path, content: '' }];
  return [
    { path, type: 'symlink', content: '../run/systemd/resolve/stub-resolv.conf' },
    ...['etc/systemd', 'etc/systemd/resolved.conf.d'].map(folder),
    // The names of containers have no dot, and without this systemd-resolved asks no server for such a name (resolved.conf(5)).
    { path: 'etc/systemd/resolved.conf.d/virtainers.conf', content: '[Resolve]\nResolveUnicastSingleLabel=yes\n' },
  ];
}

/** What `systemctl enable systemd-networkd` links; Debian ships it disabled. */
function enabledNetworkd(): TarFile[] {
  const links = {
    'dbus-org.freedesktop.network1.service': 'systemd-networkd.service',
    'multi-user.target.wants/systemd-networkd.service': 'systemd-networkd.service',
    'network-online.target.wants/systemd-networkd-wait-online.service': 'systemd-networkd-wait-online.service',
    'sockets.target.wants/systemd-networkd.socket': 'systemd-networkd.socket',
  };
  const folders = ['multi-user', 'network-online', 'sockets'].map((name) => `etc/systemd/system/${name}.target.wants`);
  return [
    ...folders.map(folder),
    ...Object.entries(links).map(
      ([path, unit]): TarFile => ({
        path: `etc/systemd/system/${path}`,
        type: 'symlink',
        content: `/usr/lib/systemd/system/${unit}`,
      }),
    ),
  ];
}

function aptSources({ suite, mirror }: Pick<PackagesDefinition, 'suite' | 'mirror'>): TarFile[] {
  const stanza = (url: string, suites: string) =>
    `Types: deb\nURIs: ${mirror}/${url}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  const content = `${stanza('debian', `${suite} ${suite}-updates`)}\n${stanza('debian-security', `${suite}-security`)}`;
  return [{ path: 'etc/apt/sources.list.d/debian.sources', content }];
}

function folder(path: string): TarFile {
  return { path, type: 'directory' };
}

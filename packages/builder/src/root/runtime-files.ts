import { IN_IMAGE, QEMU_GID, QEMU_UID } from '@virtainers/core';
import type { TarFile } from './canonical-tar.ts';

/**
 * What the runtime root has beside its packages: accounts, resolver settings, the folders that a container engine or
 * an unprivileged QEMU writes to. libvirt-qemu is the account that Debian's libvirt looks up before it reads qemu.conf.
 */
export function runtimeFiles(osinfo: string, dpkgStatus: string): TarFile[] {
  const qemu = { uid: QEMU_UID, gid: QEMU_GID };
  return [
    { path: 'etc/passwd', content: lines(PASSWD) },
    { path: 'etc/group', content: lines(GROUP) },
    { path: 'etc/shadow', content: lines(PASSWD.map((line) => `${line.split(':')[0]}:*:::::::`)), mode: 0o640 },
    {
      path: 'etc/nsswitch.conf',
      content: lines(['passwd: files', 'group: files', 'shadow: files', 'hosts: files dns']),
    },
    { path: 'etc/hosts', content: lines(['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback']) },
    { path: 'etc/hostname', content: lines(['localhost']) },
    { path: 'etc/resolv.conf', content: '' },
    { path: 'etc/machine-id', content: '' },
    { path: IN_IMAGE.osinfo.slice(1), content: osinfo },
    { path: 'etc/virtainers', type: 'directory' },
    // Where scanners look for what is installed.
    { path: 'var/lib/dpkg', type: 'directory' },
    { path: 'var/lib/dpkg/status', content: dpkgStatus },
    ...['dev', 'proc', 'sys', 'run'].map((path): TarFile => ({ path, type: 'directory' })),
    ...['tmp', 'var/tmp'].map((path): TarFile => ({ path, type: 'directory', mode: 0o1777 })),
    { path: 'run/lock', type: 'directory', mode: 0o1777 },
    { path: 'var/lock', type: 'symlink', content: '/run/lock' },
    { path: 'var/run', type: 'symlink', content: '/run' },
    { path: 'var/lib/qemu', type: 'directory', mode: 0o750, ...qemu },
    // An engine gives a new named volume the owner that its mount point has in the image.
    { path: 'mounted', type: 'directory', ...qemu },
    { path: 'run/virtainers', type: 'directory', ...qemu },
  ];
}

const PASSWD = [
  'root:x:0:0:root:/root:/bin/bash',
  `qemu:x:${QEMU_UID}:${QEMU_GID}:QEMU:/var/lib/qemu:/bin/bash`,
  'dnsmasq:x:109:109:dnsmasq:/nonexistent:/usr/sbin/nologin',
  'libvirt-qemu:x:64055:64055:libvirt QEMU:/nonexistent:/usr/sbin/nologin',
  'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
];

const GROUP = [
  'root:x:0:',
  'tty:x:5:',
  'disk:x:6:',
  'kvm:x:36:qemu',
  `qemu:x:${QEMU_GID}:`,
  'libvirt:x:108:qemu',
  'dnsmasq:x:109:',
  'libvirt-qemu:x:64055:',
  'nogroup:x:65534:',
];

function lines(items: readonly string[]): string {
  return items.map((item) => `${item}\n`).join('');
}

import { join } from 'node:path';
import { IN_IMAGE, QEMU_GID, QEMU_UID } from '@virtainers/core';

/** Where libvirt keeps what, by driver: root gets the system driver, anyone else the session driver. */
export interface Driver {
  readonly kind: 'system' | 'session';
  readonly uri: string;
  /** Who QEMU runs as. */
  readonly uid: number;
  readonly gid: number;
  /** libvirtd's socket. */
  readonly socket: string;
  readonly logSocket: string;
  /** Made before the daemons start. */
  readonly folders: readonly string[];
  readonly configFolder: string;
  /** Where virtlogd writes the serial console; in a folder of its own, because its rotation is watched. */
  readonly consoleLog: string;
  /** Where libvirt writes what becomes of each domain, NAME.log. */
  readonly domainLogs: string;
  /** Status file, seed and whatever else lives only as long as the container. */
  readonly runFolder: string;
  /** Where libvirt finds QEMU: our wrapper, by the names of those that the image has. */
  readonly emulators: string;
  /** For the daemons and for virsh. */
  readonly env: Readonly<Record<string, string>>;
}

/** At which size the console's log is put aside and begun again, as virtlogd does by default. */
export const CONSOLE_LOG_BYTES = 2 * 1024 ** 2;

/** Our wrapper of QEMU stands before QEMU: libvirt asks the first one it finds for its capabilities. */
const path = (emulators: string) =>
  `${emulators}:${IN_IMAGE.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;

/** The system driver's paths are fixed in libvirt; the session driver's follow XDG (libvirt, docs/uri: "qemu:///session"). */
export function chooseDriver(uid: number, gid: number, xdgRuntime: string): Driver {
  if (uid === 0) {
    return {
      kind: 'system',
      uri: 'qemu:///system',
      uid: QEMU_UID,
      gid: QEMU_GID,
      socket: '/run/libvirt/libvirt-sock',
      logSocket: '/run/libvirt/virtlogd-sock',
      folders: ['/run/libvirt', '/run/virtainers', '/etc/libvirt', '/var/log/libvirt/qemu/console'],
      configFolder: '/etc/libvirt',
      consoleLog: '/var/log/libvirt/qemu/console/console.log',
      domainLogs: '/var/log/libvirt/qemu',
      runFolder: '/run/virtainers',
      emulators: '/run/virtainers/bin',
      env: { PATH: path('/run/virtainers/bin'), HOME: '/root', LIBVIRT_DEFAULT_URI: 'qemu:///system' },
    };
  }
  const config = join(xdgRuntime, 'config');
  const cache = join(xdgRuntime, 'cache');
  return {
    kind: 'session',
    uri: 'qemu:///session',
    uid,
    gid,
    socket: join(xdgRuntime, 'libvirt/libvirt-sock'),
    logSocket: join(xdgRuntime, 'libvirt/virtlogd-sock'),
    folders: [xdgRuntime, join(xdgRuntime, 'libvirt'), join(config, 'libvirt'), cache, join(xdgRuntime, 'console')],
    configFolder: join(config, 'libvirt'),
    consoleLog: join(xdgRuntime, 'console/console.log'),
    domainLogs: join(cache, 'libvirt/qemu/log'),
    runFolder: xdgRuntime,
    emulators: join(xdgRuntime, 'bin'),
    env: {
      PATH: path(join(xdgRuntime, 'bin')),
      HOME: xdgRuntime,
      XDG_RUNTIME_DIR: xdgRuntime,
      XDG_CONFIG_HOME: config,
      XDG_CACHE_HOME: cache,
      LIBVIRT_DEFAULT_URI: 'qemu:///session',
    },
  };
}

/** The three configuration files, by name. Everything not here is libvirt's default. */
export function daemonConfig(driver: Driver): Record<string, string> {
  return {
    'qemu.conf': [
      `user = "+${driver.uid}"`,
      `group = "+${driver.gid}"`,
      // The TPM's emulator keeps its state beside the overlay, as QEMU does; nobody but root can become another user for it.
      ...(driver.kind === 'system' ? [`swtpm_user = "+${driver.uid}"`, `swtpm_group = "+${driver.gid}"`] : []),
      // libvirt would chown the base disk, and so copy it into the container's own layer.
      'dynamic_ownership = 0',
      'remember_owner = 0',
      'namespaces = []',
      'cgroup_controllers = []',
      'security_driver = "none"',
      'stdio_handler = "logd"',
      '',
    ].join('\n'),
    'libvirtd.conf': ['auth_unix_rw = "none"', 'unix_sock_rw_perms = "0700"', 'unix_sock_ro_perms = "0700"', ''].join(
      '\n',
    ),
    'virtlogd.conf': [`max_size = ${CONSOLE_LOG_BYTES}`, 'max_backups = 3', ''].join('\n'),
  };
}

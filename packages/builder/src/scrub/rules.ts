import type { Inode } from '../diff/ext4.ts';

/** A file of a guest: where it is, and its inode. */
export interface GuestFile {
  /** As the guest sees it. */
  readonly path: string;
  readonly inode: Inode;
}

/** What a scrub does with one file system, the deepest folder first; `remove` are those whose names can be told to debugfs(8). */
export interface ScrubPlan {
  readonly remove: readonly GuestFile[];
  /** Files that stay, empty. */
  readonly empty: readonly GuestFile[];
}

/**
 * What only one machine may have: its identity, what it was told at its first start, and its traces. Everything that is written
 * here is made again by the next boot, or was for this machine's own people.
 */
const REMOVED: readonly RegExp[] = [
  // Identity.
  /^\/var\/lib\/dbus\/machine-id$/,
  /^\/etc\/ssh\/ssh_host_[^/]*$/,
  /^\/var\/lib\/(systemd|urandom|misc)\/random-seed$/,
  /^\/var\/lib\/systemd\/credential\.secret$/,
  /^\/boot\/(loader\/)?random-seed$/,
  // cloud-init's state; its `scripts` and `seed` are the image's own.
  /^\/var\/lib\/cloud\/(instance|instances|data|sem)(\/|$)/,
  /^\/etc\/(netplan\/50-cloud-init\.yaml|network\/interfaces\.d\/50-cloud-init[^/]*)$/,
  /^\/etc\/(systemd\/network\/10-cloud-init-|NetworkManager\/system-connections\/cloud-init-)[^/]*$/,
  /^\/etc\/udev\/rules\.d\/70-persistent-net\.rules$/,
  // Leases of its networks.
  /^\/var\/lib\/(dhcp|dhclient|dhcpcd|NetworkManager)\/[^/]*\.?leases?[^/]*$/,
  // Logs that are no longer written to.
  /^\/var\/log\/journal\/./,
  /^\/var\/log\/.*(\.(gz|xz|bz2|zst|old|\d+)|-\d{8})$/,
  // Histories of shells and of programs that are like one.
  /\/\.[\w-]+_history$/,
  /^(\/root|\/home\/[^/]+)\/\.(history|lesshst|wget-hsts|viminfo)$/,
  /\/fish\/fish_history$/,
];

const EMPTIED: readonly RegExp[] = [
  // Empty: made at the next boot, without what a first boot of systemd's would ask and set (machine-id(5)).
  /^\/etc\/machine-id$/,
  /^\/var\/log\/./,
];

const FOLDER = /^0?40/;
const REGULAR = /^0?100/;

/** What is to be done with `files`; what is empty already stays as it is. Pure. */
export function planScrub(files: readonly GuestFile[]): ScrubPlan {
  const own = new Set(files.filter(({ path }) => REMOVED.some((rule) => rule.test(path))));
  const remove = [...own].filter(({ path }) => isPlain(path.slice(path.lastIndexOf('/') + 1)));
  const gone = new Set(remove);
  const empty = files.filter(
    (file) =>
      !gone.has(file) &&
      REGULAR.test(file.inode.mode) &&
      file.inode.size > 0 &&
      (own.has(file) || EMPTIED.some((rule) => rule.test(file.path))),
  );
  return { remove: remove.filter(canGo).sort(deepestFirst), empty };

  /** A folder that a rule for files fits, or one with something in it that stays, stays too. */
  function canGo({ path, inode }: GuestFile): boolean {
    if (!FOLDER.test(inode.mode)) return true;
    return files.every((file) => !file.path.startsWith(`${path}/`) || gone.has(file));
  }
}

/** Only what stands between debugfs's quotation marks as itself. Where a name is not UTF-8, U+FFFD is in it instead. */
function isPlain(name: string): boolean {
  return !/[\p{Cc}\ufffd]/u.test(name);
}

function deepestFirst(a: GuestFile, b: GuestFile): number {
  return depth(b) - depth(a) || (a.path < b.path ? -1 : 1);
}

function depth({ path }: GuestFile): number {
  return path.split('/').length;
}

export function isFolder({ mode }: Inode): boolean {
  return FOLDER.test(mode);
}

export function isRegular({ mode }: Inode): boolean {
  return REGULAR.test(mode);
}

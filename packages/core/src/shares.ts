/** A folder that the container has at IN_IMAGE.shares/NAME, and where its guest gets it. */
export interface ShareWord {
  /** Also the tag by which the guest knows it. */
  readonly name: string;
  /** An absolute path in the guest. */
  readonly guest: string;
  readonly readonly: boolean;
}

/** 31 characters are what a tag of 9p may have (Linux, net/9p/trans_virtio.c); virtiofs allows 36 (virtio 1.2, 5.11.4). */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,30}$/;

/** What isShareName and parseGuestFolder allow, in words. */
export const SHARE_NAMES = 'up to 31 letters, digits, dots, hyphens and underscores, the first a letter or digit';
export const GUEST_FOLDERS = 'an absolute path without colon, quote or backslash, not / and not in /dev, /proc or /sys';

export function isShareName(text: string): boolean {
  return NAME.test(text);
}

/** Where a guest may get a folder, normal; undefined where it may not. */
export function parseGuestFolder(text: string): string | undefined {
  if (!/^\/[^\p{Cc}\p{Cs}\u2028\u2029:"'\\]*$/u.test(text) || text.length > 1024) return undefined;
  const parts = text.split('/').filter(Boolean);
  if (parts.length === 0 || parts.includes('..') || parts.includes('.')) return undefined;
  return ['dev', 'proc', 'sys'].includes(parts[0] ?? '') ? undefined : `/${parts.join('/')}`;
}

/** `NAME:/guest/folder` or `NAME:/guest/folder:ro`; undefined for anything else. */
export function parseShare(text: string): ShareWord | undefined {
  const [, name = '', folder = '', access] = /^([^:]*):([^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  const guest = parseGuestFolder(folder);
  return guest === undefined || !isShareName(name) ? undefined : { name, guest, readonly: access === 'ro' };
}

/** As the setting SHARES has them: words, in quotes where there is a space in one. */
export function formatShares(shares: readonly ShareWord[]): string {
  return shares
    .map(({ name, guest, readonly }) => `${name}:${guest}${readonly ? ':ro' : ''}`)
    .map((word) => (/\s/.test(word) ? `"${word}"` : word))
    .join(' ');
}

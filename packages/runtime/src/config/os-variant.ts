import { byVersion, nearest } from './near.ts';

/** osinfo short id -> osinfo id, from /etc/virtainers/osinfo.json; empty when the image has none. */
export type OsinfoTable = Readonly<Record<string, { readonly id: string }>>;

export interface OsVariant {
  readonly shortId: string;
  /** The osinfo URL; undefined where no table knows it. */
  readonly id: string | undefined;
}

const OSINFO_ID = /^https?:\/\/[\x21-\x7e]+$/i;
const SHORT_ID = /^[a-z][a-z0-9._-]{0,62}$/i;

/**
 * Finds an operating system by short id, id or alias, in any case: `debian13`, `http://debian.org/debian/13`,
 * `Debian-13`, `rhel7` (the newest `rhel7.x`). Gives a sentence with near names where there is none.
 */
export function resolveOsVariant(text: string, table: OsinfoTable): OsVariant | string {
  const shortIds = Object.keys(table);
  if (shortIds.length === 0) return unchecked(text);
  const wanted = text.toLowerCase();
  const found =
    shortIds.find((shortId) => shortId.toLowerCase() === wanted || table[shortId]?.id.toLowerCase() === wanted) ??
    shortIds.find((shortId) => plain(shortId) === plain(text)) ??
    newestOf(plain(text), shortIds);
  if (found !== undefined) return { shortId: found, id: table[found]?.id };
  const near = nearest(text, shortIds);
  return near.length > 0 ? `no such operating system; near ones: ${near.join(', ')}` : 'no such operating system';
}

function unchecked(text: string): OsVariant | string {
  if (OSINFO_ID.test(text)) return { shortId: text, id: text };
  return SHORT_ID.test(text) ? { shortId: text.toLowerCase(), id: undefined } : 'not the form of an osinfo id';
}

/** `rhel7` -> `rhel7.9`; `fedora` is no alias, for it would name whatever is newest in a table that gets old. */
function newestOf(alias: string, shortIds: readonly string[]): string | undefined {
  if (!/\d$/.test(alias)) return undefined;
  const minors = shortIds.filter((shortId) => /^\.\d+$/.test(plain(shortId).slice(alias.length)));
  return minors
    .filter((shortId) => plain(shortId).startsWith(alias))
    .sort(byVersion)
    .at(-1);
}

/** `Debian:13`, `debian-13` and `debian13` are one. */
function plain(text: string): string {
  return text.toLowerCase().replace(/[-_: ]/g, '');
}

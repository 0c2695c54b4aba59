import { isIP } from 'node:net';
import { type Digest, isDigest, parseShare, parseSize, type ShareWord } from '@virtainers/core';
import type { Port } from '../guest/port.ts';

/** Readers of single values: the value, or undefined when the text is not allowed. None of them throws. */

const MIB = 1024 ** 2;
const MAX_PORTS = 1000;
const DAY_SECONDS = 86_400;

export function parseRamMiB(text: string): number | undefined {
  const bytes = parseSize(text, 'M');
  if (bytes === undefined || bytes % MIB !== 0) return undefined;
  const mib = bytes / MIB;
  return mib >= 64 && mib <= 8 * MIB ? mib : undefined;
}

export function parseWhole(text: string, min: number, max: number): number | undefined {
  if (!/^\s*\d{1,15}\s*$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

/** Bytes, rounded up to whole sectors as qemu-img does. */
export function parseDiskSize(text: string): number | undefined {
  const bytes = parseSize(text);
  if (bytes === undefined || bytes < MIB || bytes > 2 ** 52) return undefined;
  return Math.ceil(bytes / 512) * 512;
}

/** `60`, `90s`, `2m`, `1h` -> milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^\s*(\d{1,6})\s*([smh]?)\s*$/i.exec(text);
  if (!match) return undefined;
  const factor = { '': 1, s: 1, m: 60, h: 3600 }[(match[2] ?? '').toLowerCase()] ?? 1;
  const seconds = Number(match[1]) * factor;
  return seconds <= DAY_SECONDS ? seconds * 1000 : undefined;
}

/** `22,80,8000-8010,53/udp`; each port once, in the order given. */
export function parsePorts(text: string): Port[] | undefined {
  if (/^\s*none\s*$/i.test(text)) return [];
  const ports = new Map<string, Port>();
  for (const item of text.split(',')) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp))?\s*$/i.exec(item);
    if (!match) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    const protocol = match[3]?.toLowerCase() === 'udp' ? 'udp' : 'tcp';
    if (first < 1 || last > 65535 || last < first) return undefined;
    for (let port = first; port <= last; port += 1) ports.set(`${port}/${protocol}`, { protocol, port });
  }
  return ports.size <= MAX_PORTS ? [...ports.values()] : undefined;
}

/** `192.168.100`, also written `192.168.100.0/24`. */
export function parseCidr(text: string): string | undefined {
  const match = /^\s*(\d{1,3}\.\d{1,3}\.\d{1,3})(?:\.0(?:\/24)?)?\s*$/.exec(text);
  const bytes = match?.[1]?.split('.').map(Number) ?? [];
  const [first = 0] = bytes;
  if (bytes.length !== 3 || bytes.some((byte) => byte > 255)) return undefined;
  return first === 0 || first === 127 || first > 223 ? undefined : bytes.join('.');
}

export function parseYesNo(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (['y', 'yes', 'true', 'on', '1'].includes(word)) return true;
  return ['n', 'no', 'false', 'off', '0'].includes(word) ? false : undefined;
}

/** `src:/srv/src "data:/srv/my data:ro"`: each name and each folder of the guest once. */
export function parseShares(text: string): ShareWord[] | undefined {
  const shares = parseWords(text)?.map(parseShare);
  if (!shares?.every((share) => share !== undefined)) return undefined;
  const distinct = (of: (share: ShareWord) => string) => new Set(shares.map(of)).size === shares.length;
  return distinct(({ name }) => name) && distinct(({ guest }) => guest) ? shares : undefined;
}

/** Absolute, normal, and safe in argv, XML and messages. */
export function parsePath(text: string): string | undefined {
  const fit = /^\/[^\p{Cc}\p{Cs}\u2028\u2029]*$/u.test(text) && text.length <= 1024;
  if (!fit || text.split('/').includes('..')) return undefined;
  return text.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
}

/** A line that cloud-init sets as it is: `R` and `RANDOM` it would replace by one of its own, a crypt(5) hash it would not hash. */
export function isPassword(text: string): boolean {
  if (text === '' || text.length > 512 || text === 'R' || text === 'RANDOM') return false;
  return !/[\p{Cc}\p{Cs}\u2028\u2029\ufeff\ufffe\uffff]/u.test(text) && !/^\$(1|2a|2y|5|6)(\$.+){2}/.test(text);
}

/** BBVA/kvm's yes and no: the first letter counts. */
export function parseFirstLetter(text: string): boolean | undefined {
  if (/^[Yy1]/.test(text)) return true;
  return /^[Nn0]/.test(text) ? false : undefined;
}

/** A network interface's name: at most 15 characters, none of which a shell, nft or an XML would trip over. */
export function parseInterface(text: string): string | undefined {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(text) ? text : undefined;
}

export function parseInterfaces(text: string): string[] | undefined {
  const names = text.trim().split(/[\s,]+/);
  return names.every((name) => parseInterface(name)) ? [...new Set(names)] : undefined;
}

/** `10.0.0.0/8`, or an address alone. */
export function parseNetwork(text: string): string | undefined {
  const [address = '', length = '32', ...rest] = text.trim().split('/');
  if (isIP(address) !== 4 || rest.length > 0 || !/^\d{1,2}$/.test(length) || Number(length) > 32) return undefined;
  return `${address}/${length}`;
}

export function parseAddresses(text: string): string[] | undefined {
  const addresses = text.trim().split(/[\s,]+/);
  return addresses.every((address) => isIP(address) !== 0) ? addresses : undefined;
}

export function parseDigests(text: string): Digest[] | undefined {
  const digests = text.split(',');
  return digests.every(isDigest) ? (digests as Digest[]) : undefined;
}

/** Words as a shell would split them: spaces part them, quotes hold them together. */
export function parseWords(text: string): string[] | undefined {
  const words: string[] = [];
  const word = /\s*((?:[^\s"']|"[^"]*"|'[^']*')+)\s*/y;
  while (word.lastIndex < text.length) {
    const [, found] = word.exec(text) ?? [];
    if (found === undefined) return /^\s*$/.test(text) ? [] : undefined;
    words.push(found.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
  }
  return words;
}

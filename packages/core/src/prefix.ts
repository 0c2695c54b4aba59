import { isIP } from 'node:net';

export type AddressFamily = 4 | 6;

export interface Address {
  readonly family: AddressFamily;
  readonly value: bigint;
}

/** A range of addresses; no bit of `base` behind `length` is set. */
export interface Prefix {
  readonly family: AddressFamily;
  readonly base: bigint;
  readonly length: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** An IPv4 or IPv6 address. Undefined for what is none, and for one with a zone (`fe80::1%eth0`). */
export function parseAddress(text: string): Address | undefined {
  const family = isIP(text);
  if (family === 4) return { family, value: joinParts(text.split('.').map(Number), 8) };
  if (family === 6 && !text.includes('%')) return { family, value: joinParts(groupsOf(text), 16) };
  return undefined;
}

/** As RFC 5952 writes it: lower case, the longest run of zeros left out. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return splitParts(value, 4, 8).join('.');
  const groups = splitParts(value, 8, 16).map((group) => group.toString(16));
  const run = longestZeros(groups);
  if (run.length < 2) return groups.join(':');
  return `${groups.slice(0, run.start).join(':')}::${groups.slice(run.start + run.length).join(':')}`;
}

/** `10.1.2.3/8` -> 10.0.0.0/8; an address alone is a /32 or /128; undefined for what is no prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const [word = '', digits, ...more] = text.split('/');
  const address = parseAddress(word);
  if (!address || more.length > 0 || (digits !== undefined && !/^\d{1,3}$/.test(digits))) return undefined;
  const length = digits === undefined ? WIDTH[address.family] : Number(digits);
  return length > WIDTH[address.family] ? undefined : prefixOf(address, length);
}

export function formatPrefix({ family, base, length }: Prefix): string {
  return `${formatAddress({ family, value: base })}/${length}`;
}

/** The prefix of that length which the address is in. */
export function prefixOf({ family, value }: Address, length: number): Prefix {
  const behind = BigInt(WIDTH[family] - length);
  return { family, base: (value >> behind) << behind, length };
}

/** Its first address, which names the network, and its last, which in IPv4 is the broadcast address. */
export function bounds({ family, base, length }: Prefix): { first: Address; last: Address } {
  const last = base + (1n << BigInt(WIDTH[family] - length)) - 1n;
  return { first: { family, value: base }, last: { family, value: last } };
}

/** True where at least one address is in both. Families never meet. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.length <= b.length ? contains(a, b) : contains(b, a);
}

/** True where every address of `inner` is in `outer`. */
export function contains(outer: Prefix, inner: Prefix | Address): boolean {
  if (outer.family !== inner.family) return false;
  const [value, length] = 'base' in inner ? [inner.base, inner.length] : [inner.value, WIDTH[inner.family]];
  return outer.length <= length && prefixOf({ family: inner.family, value }, outer.length).base === outer.base;
}

/** The eight numbers of an IPv6 address that is one: `::` filled up, an IPv4 address at its end read. */
function groupsOf(text: string): number[] {
  const [head = [], tail = []] = text.split('::').map((half) => half.split(':').filter(Boolean).flatMap(groupOf));
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function groupOf(word: string): number[] {
  if (!word.includes('.')) return [Number.parseInt(word, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

function joinParts(parts: readonly number[], bits: number): bigint {
  return parts.reduce((value, part) => (value << BigInt(bits)) | BigInt(part), 0n);
}

function splitParts(value: bigint, count: number, bits: number): number[] {
  return Array.from({ length: count }, (_, index) =>
    Number((value >> BigInt((count - 1 - index) * bits)) & ((1n << BigInt(bits)) - 1n)),
  );
}

function longestZeros(groups: readonly string[]): { start: number; length: number } {
  const runs = groups.map((_, start) => {
    const end = groups.findIndex((group, index) => index >= start && group !== '0');
    return { start, length: (end === -1 ? groups.length : end) - start };
  });
  return runs.reduce((best, run) => (run.length > best.length ? run : best), { start: 0, length: 0 });
}

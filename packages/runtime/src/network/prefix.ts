/** IPv4 arithmetic on unsigned 32-bit numbers. */
export interface Prefix {
  readonly base: number;
  readonly length: number;
}

export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

/** `10.1.2.3/8` -> 10.0.0.0/8; an address alone is a /32; undefined for what is no IPv4 prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address = '', length = '32'] = text.split('/');
  const value = parseIpv4(address);
  const bits = Number(length);
  if (value === undefined || !/^\d{1,2}$/.test(length) || bits > 32) return undefined;
  return { base: maskTo(value, bits), length: bits };
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  const shorter = Math.min(a.length, b.length);
  return maskTo(a.base, shorter) === maskTo(b.base, shorter);
}

function maskTo(value: number, length: number): number {
  return length === 0 ? 0 : ((value >>> (32 - length)) << (32 - length)) >>> 0;
}

/**
 * The /24 for the guest's side: the wished one (`192.168.100`) unless it overlaps a network in use, then the next
 * that is free: in 192.168/16 first, then 10.200/16.
 */
export function chooseInner(wished: string, used: readonly Prefix[]): string {
  const counted = Array.from({ length: 256 }, (_, index) => index);
  const start = Number(wished.split('.')[2]);
  const candidates = [
    wished,
    ...counted.map((index) => `192.168.${(start + index) % 256}`),
    ...counted.map((index) => `10.200.${index}`),
  ];
  const free = candidates.find((candidate) => {
    const prefix = parsePrefix(`${candidate}.0/24`);
    return prefix !== undefined && !used.some((other) => overlaps(prefix, other));
  });
  return free ?? wished;
}

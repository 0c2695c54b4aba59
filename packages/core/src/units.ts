const FACTORS: Record<string, number> = { '': 0, B: 0, K: 1, M: 2, G: 3, T: 4, P: 5 };

/**
 * Parses a size as people write it: `1024`, `2G`, `512 MiB`, `10gb` (always powers of 1024, as qemu-img reads them).
 * `unit` is what a bare number counts. Returns bytes, or undefined when it is not a size.
 */
export function parseSize(text: string, unit: 'B' | 'K' | 'M' | 'G' = 'B'): number | undefined {
  const match = /^\s*(\d{1,15}(?:\.\d{1,6})?)\s*([KMGTP]?)(i?B)?\s*$/i.exec(text);
  if (!match) return undefined;
  const [, digits = '', letter = '', suffix = ''] = match;
  if (!letter && /^i/i.test(suffix)) return undefined;
  const power = letter || suffix ? FACTORS[letter.toUpperCase()] : FACTORS[unit];
  const bytes = Math.round(Number(digits) * 1024 ** (power ?? 0));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `1536` -> `1.5 KiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  const text = index === 0 || value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
  return `${text} ${units[index]}`;
}

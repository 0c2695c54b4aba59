import { basename } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import type { Sums } from './sums.ts';

/** What a line of a file of sums may look like: coreutils' (with `*` for binary), BSD's, and a digest alone. */
const GNU = /^\\?([0-9a-f]{32,128})[ \t]+\*?(\S.*)$/i;
const BSD = /^(MD5|SHA1|SHA256|SHA384|SHA512) ?\((.+)\) ?= ?([0-9a-f]{32,128})$/i;
const BARE = /^([0-9a-f]{64}|[0-9a-f]{128})$/i;

const ALGORITHMS: Readonly<Record<number, keyof Sums>> = { 64: 'sha256', 128: 'sha512' };

/**
 * The sums of a vendor's file of them, by base name; a digest alone stands under ''. Lines of any other kind (comments,
 * OpenPGP's armour, MD5 and SHA-1) are passed over. DIGEST_MISMATCH where two lines contradict each other.
 */
export function parseSumsFile(text: string): ReadonlyMap<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const line of text.split(/\r?\n/)) {
    const { name, hex } = parseLine(line.trim());
    const algorithm = ALGORITHMS[hex.length];
    if (algorithm === undefined) continue;
    const known = sums.get(name) ?? {};
    if (known[algorithm] !== undefined && known[algorithm] !== hex) {
      throw new VirtainersError(
        'DIGEST_MISMATCH',
        `the file of sums has two ${algorithm} sums for ${name || 'one file'}`,
      );
    }
    sums.set(name, { ...known, [algorithm]: hex });
  }
  return sums;
}

/** The sums of the file `name`, which must stand there in full: `disk.qcow2` is not `disk.qcow2.sig`. */
export function sumsOf(text: string, name: string): Sums | undefined {
  const sums = parseSumsFile(text);
  return sums.get(name) ?? (sums.size === 1 ? sums.get('') : undefined);
}

function parseLine(line: string): { name: string; hex: string } {
  const bsd = BSD.exec(line);
  if (bsd) return { name: basename(bsd[2] ?? ''), hex: (bsd[3] ?? '').toLowerCase() };
  const gnu = GNU.exec(line);
  if (gnu) return { name: basename(gnu[2] ?? ''), hex: (gnu[1] ?? '').toLowerCase() };
  return { name: '', hex: BARE.exec(line)?.[1]?.toLowerCase() ?? '' };
}

import { createHash, type Hash } from 'node:crypto';
import { type Digest, VirtainersError } from '@virtainers/core';

/** The sums that a published file must have, as lower-case hex. */
export interface Sums {
  readonly sha256?: string | undefined;
  readonly sha512?: string | undefined;
}

const ALGORITHMS = ['sha256', 'sha512'] as const;
const LENGTHS = { sha256: 64, sha512: 128 } as const;

/** Reads sums as people paste them: any case, with or without `sha256:` in front. ARGUMENTS_BAD names all bad ones. */
export function parseSums(given: Sums): Sums {
  const problems: string[] = [];
  const sums: { sha256?: string; sha512?: string } = {};
  for (const algorithm of ALGORITHMS) {
    const text = given[algorithm];
    if (text === undefined) continue;
    const hex = text
      .trim()
      .toLowerCase()
      .replace(new RegExp(`^${algorithm}:`), '');
    if (new RegExp(`^[0-9a-f]{${LENGTHS[algorithm]}}$`).test(hex)) sums[algorithm] = hex;
    else problems.push(`${JSON.stringify(text)} is not a ${algorithm} sum (${LENGTHS[algorithm]} hex digits)`);
  }
  if (problems.length > 0) throw new VirtainersError('ARGUMENTS_BAD', problems.join('; '));
  return sums;
}

export function hasSums(sums: Sums): boolean {
  return sums.sha256 !== undefined || sums.sha512 !== undefined;
}

/** Hashes a file as it passes: always SHA-256, and what else `sums` asks for. */
export interface SumCheck {
  update(piece: Buffer): void;
  /** The SHA-256. DIGEST_MISMATCH, naming both sums, when `sums` asked for another; `what` was being done. */
  finish(what: string): Digest;
}

export function makeSumCheck(sums: Sums): SumCheck {
  const hashes: Partial<Record<'sha256' | 'sha512', Hash>> = { sha256: createHash('sha256') };
  if (sums.sha512 !== undefined) hashes.sha512 = createHash('sha512');
  return {
    update: (piece) => {
      for (const hash of Object.values(hashes)) hash.update(piece);
    },
    finish: (what) => {
      const found = Object.fromEntries(Object.entries(hashes).map(([name, hash]) => [name, hash.digest('hex')]));
      for (const algorithm of ALGORITHMS) {
        const expected = sums[algorithm];
        if (expected !== undefined && expected !== found[algorithm]) {
          throw mismatch(what, `${algorithm}:${expected}`, `${algorithm}:${found[algorithm]}`);
        }
      }
      return `sha256:${found['sha256']}`;
    },
  };
}

export function mismatch(what: string, expected: string, found: string): VirtainersError {
  return new VirtainersError('DIGEST_MISMATCH', `${what}: expected ${expected}, got ${found}`, {
    hint: 'take the sum from the page of the vendor; a release that moved has another one',
  });
}

import { createHash } from 'node:crypto';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ROUNDS = 5000;

/**
 * A password as /etc/shadow keeps it (crypt(5), method 6; akkadia.org/drepper/SHA-crypt.txt, whose steps are numbered
 * here). `salt`: up to 16 characters of `./0-9A-Za-z`.
 */
export function sha512Crypt(password: string, salt: string): string {
  const [key, seed] = [Buffer.from(password), Buffer.from(salt.slice(0, 16))];
  const b = sha512(key, seed, key);
  // 1 to 12: A.
  const parts: Buffer[] = [key, seed, repeat(b, key.length)];
  for (let bits = key.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? b : key);
  let digest = sha512(...parts);
  // 13 to 16: P. 17 to 20: S.
  const p = repeat(sha512(...Array.from({ length: key.length }, () => key)), key.length);
  const s = repeat(sha512(...Array.from({ length: 16 + (digest[0] ?? 0) }, () => seed)), seed.length);
  // 21.
  for (let round = 0; round < ROUNDS; round += 1) {
    const odd = round % 2 === 1;
    const middle = [...(round % 3 === 0 ? [] : [s]), ...(round % 7 === 0 ? [] : [p])];
    digest = sha512(odd ? p : digest, ...middle, odd ? digest : p);
  }
  return `$6$${seed.toString()}$${encode(digest)}`;
}

function sha512(...pieces: readonly Buffer[]): Buffer {
  const hash = createHash('sha512');
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** The first `length` bytes of `block` over and over. */
function repeat(block: Buffer, length: number): Buffer {
  return Buffer.alloc(length, block);
}

/** 22: three bytes as four characters, low bits first; each group begins where the one before had its second byte. */
function encode(digest: Buffer): string {
  let text = '';
  for (let group = 0, at = 0; group < 21; group += 1, at = (at + 22) % 63) {
    text += characters(
      [at, (at + 21) % 63, (at + 42) % 63].map((index) => digest[index] ?? 0),
      4,
    );
  }
  return text + characters([0, 0, digest[63] ?? 0], 2);
}

function characters([high = 0, middle = 0, low = 0]: readonly number[], count: number): string {
  const bits = (high << 16) | (middle << 8) | low;
  return Array.from({ length: count }, (_, index) => ALPHABET[(bits >> (6 * index)) & 63]).join('');
}

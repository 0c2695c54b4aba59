import { randomInt } from 'node:crypto';

/** No characters that look alike on a console or in print: no 0 O o, 1 I l, 5 S, 2 Z, 8 B. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679';

/** 16 characters, 90 bits. */
export function randomPassword(): string {
  return Array.from({ length: 16 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dearmor, signersOf } from './signature.ts';

const KEYS = join(import.meta.dirname, '../../../../images/keys');

function armor(bytes: Uint8Array, headers: readonly string[] = [], newline = '\n'): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const block = [
    '-----BEGIN PGP PUBLIC KEY BLOCK-----',
    ...headers,
    '',
    ...lines,
    '=AbC/',
    '-----END PGP PUBLIC KEY BLOCK-----',
  ];
  return block.join(newline) + newline;
}

test('armor is taken off, whatever stands in its head, however lines end', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const headers = fc.array(fc.constantFrom('Version: GnuPG v2', 'Comment: https://x.example/a=b', 'Charset: UTF-8'));
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 3 }), headers, fc.constantFrom('\n', '\r\n'), (keys, head, newline) => {
      const text = keys.map((key) => armor(key, head, newline)).join('text between\n');
      expect(dearmor(text)).toEqual(Buffer.concat(keys));
    }),
  );
});

test('what is no armored key gives nothing', () => {
  for (const text of ['', 'hello', '-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n']) {
    expect(dearmor(text)).toHaveLength(0);
  }
});

test('every key that comes along begins as a public key does', async () => {
  const files = await readdir(KEYS);
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    // RFC 9580, 4.2: a packet of type 6 in the old or the new format.
    const first = dearmor(await readFile(join(KEYS, file), 'utf8'))[0] ?? 0;
    expect({ file, type: first & 0x40 ? first & 0x3f : (first >> 2) & 0x0f }).toEqual({ file, type: 6 });
  }
});

const PRIMARY = '1B9A16984A4E8CB448712D2AE0B78BF4326C6F8F';
const SUBKEY = '656E4C5AC1CC3B86E539D97E343635A6859A9174';

test('the signer is the primary key, where a subkey signed', () => {
  const valid = `[GNUPG:] VALIDSIG ${SUBKEY} 2026-10-01 1790000000 0 4 0 22 8 00 ${PRIMARY}`;
  const status = ['[GNUPG:] NEWSIG', `[GNUPG:] GOODSIG 343635A6859A9174 arch-boxes`, valid].join('\n');
  expect(signersOf(status)).toEqual([PRIMARY]);
  expect(signersOf(`${status}\n${valid.replaceAll('1B9A', '2B9A')}`)).toHaveLength(2);
});

test.each([
  `[GNUPG:] NO_PUBKEY 343635A6859A9174`,
  `[GNUPG:] GOODSIG 343635A6859A9174 VALIDSIG ${PRIMARY} 2026-10-01 1790000000 0 4 0 22 8 00 ${PRIMARY}`,
  `gpgv: [GNUPG:] VALIDSIG ${SUBKEY} 2026-10-01 1790000000 0 4 0 22 8 00 ${PRIMARY}`,
  `[GNUPG:] VALIDSIG ${SUBKEY} 2026-10-01 1790000000 0 4 0 22 8 00 326C6F8F`,
  '',
])('no signer: %s', (status) => {
  expect(signersOf(status)).toEqual([]);
});

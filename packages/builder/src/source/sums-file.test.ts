import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSumsFile, sumsOf } from './sums-file.ts';

const A = '28680fe5b371a5a82ebf43a31926e086a168e59949d03969c5093e7071f90b7f';
const B = '55c60a3b80d3616a08705afd0459e75fe9f03c54aba7a46e4002a41a72fa0d5b';
const LONG = A + B;

/** Each vendor's shape; the file asked for is always `disk.qcow2`. */
const SHAPES: Record<string, string> = {
  'GNU, two spaces (Alma, Debian, CentOS 7, Arch)': `${A}  disk.qcow2\n${B}  disk.raw\n`,
  'GNU, one space (Leap 15)': `${A} disk.qcow2\n`,
  'GNU, binary (Ubuntu)': `${B} *disk.vmdk\n${A} *disk.qcow2\n`,
  'GNU, with a path': `${A}  ./images/disk.qcow2\n`,
  'GNU, upper case': `${A.toUpperCase()}  disk.qcow2\n`,
  'GNU, DOS line ends': `${A}  disk.qcow2\r\n${B}  disk.raw\r\n`,
  'GNU, a tab': `${A}\tdisk.qcow2`,
  'BSD with sizes (Fedora, CentOS Stream, Rocky)': `# disk.qcow2: 583729152 bytes\nSHA256 (disk.qcow2) = ${A}\n`,
  'BSD, more than one kind (FreeBSD)': `SHA512 (disk.raw) = ${LONG}\nSHA256 (disk.qcow2) = ${A}\n`,
  'a digest alone': `${A}\n`,
  'clear-signed': [
    '-----BEGIN PGP SIGNED MESSAGE-----',
    'Hash: SHA256',
    '',
    `SHA256 (disk.qcow2) = ${A}`,
    '-----BEGIN PGP SIGNATURE-----',
    '',
    'iQIzBAEBCAAdFiEExufwgc+A4TFGZ26IgptgZjFkVTEFAmgAAAAACgkQgptgZjFk',
    '=abcd',
    '-----END PGP SIGNATURE-----',
  ].join('\n'),
};

test.each(Object.entries(SHAPES))('%s', (_shape, text) => {
  expect(sumsOf(text, 'disk.qcow2')).toEqual({ sha256: A });
});

test('blocks of several algorithms (Flatcar): what is weak is passed over', () => {
  const text = [
    '# MD5 HASH',
    `${A.slice(0, 32)}  flatcar.img`,
    '# SHA1 HASH',
    `${A.slice(0, 40)}  flatcar.img`,
    '# SHA512 HASH',
    `${LONG}  flatcar.img`,
  ].join('\n');
  expect(sumsOf(text, 'flatcar.img')).toEqual({ sha512: LONG });
});

test('the two algorithms of one file stand side by side', () => {
  expect(sumsOf(`${A}  x\nSHA512 (x) = ${LONG}\n`, 'x')).toEqual({ sha256: A, sha512: LONG });
});

test('a bare SHA-512 is that of the only file (Alpine)', () => {
  expect(sumsOf(LONG, 'anything.qcow2')).toEqual({ sha512: LONG });
});

test.each(['disk.qcow2.sig', 'xdisk.qcow2', 'disk.qcow', 'DISK.QCOW2', 'disk.qcow2 ', 'disk'])(
  '"%s" is another file',
  (name) => {
    expect(sumsOf(`${A}  ${name.trimEnd()}x\n${B}  other\n`, 'disk.qcow2')).toBeUndefined();
    expect(sumsOf(`${A}  disk.qcow2\n`, name)).toBeUndefined();
  },
);

test('a bare digest beside others is nobody’s', () => {
  expect(sumsOf(`${A}\n${B}  other.qcow2\n`, 'disk.qcow2')).toBeUndefined();
});

test.each([
  ['the same name', `${A}  disk.qcow2\n${B}  disk.qcow2\n`],
  ['another path, the same name', `${A}  x/disk.qcow2\n${B}  disk.qcow2\n`],
  ['GNU and BSD', `${A}  disk.qcow2\nSHA256 (disk.qcow2) = ${B}\n`],
  ['two bare digests', `${A}\n${B}\n`],
])('two sums that contradict each other are an error: %s', (_what, text) => {
  expect(() => parseSumsFile(text)).toThrowError(expect.objectContaining({ code: 'DIGEST_MISMATCH' }));
});

test('the same sum twice is none', () => {
  expect(sumsOf(`${A}  disk.qcow2\n${A} *disk.qcow2\n`, 'disk.qcow2')).toEqual({ sha256: A });
});

test.each(['__proto__', 'constructor', 'toString', 'a b (1).img', '../../etc/passwd', '=', '# x'])(
  'a hostile name is a name: %s',
  (name) => {
    const sums = parseSumsFile(`${A}  ${name}\n`);
    expect([...sums]).toEqual([[name.split('/').at(-1), { sha256: A }]]);
    expect(sumsOf(`${A}  ${name}\n`, 'disk.qcow2')).toBeUndefined();
  },
);

const fileName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,40}$/);
const sum = fc.oneof(fc.stringMatching(/^[0-9a-f]{64}$/), fc.stringMatching(/^[0-9a-f]{128}$/));

test('whatever a vendor writes down is read back', () => {
  const lines = fc.uniqueArray(fc.tuple(fileName, sum, fc.integer({ min: 0, max: 3 })), { selector: ([name]) => name });
  fc.assert(
    fc.property(lines, (files) => {
      const text = files.map(([name, hex, shape]) => write(name, hex, shape)).join('\n');
      for (const [name, hex] of files) {
        expect(sumsOf(text, name)).toEqual({ [hex.length === 64 ? 'sha256' : 'sha512']: hex });
      }
    }),
  );
});

test('no text at all makes it fail otherwise than by a typed error, or gives a sum of another length', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.string(), (text, name) => {
      try {
        for (const found of [...parseSumsFile(text).values(), sumsOf(text, name) ?? {}]) {
          expect(found.sha256 ?? A).toMatch(/^[0-9a-f]{64}$/);
          expect(found.sha512 ?? LONG).toMatch(/^[0-9a-f]{128}$/);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'DIGEST_MISMATCH' });
      }
    }),
  );
});

function write(name: string, hex: string, shape: number): string {
  if (shape === 0) return `${hex}  ${name}`;
  if (shape === 1) return `${hex} *${name}`;
  if (shape === 2) return `${hex.toUpperCase()} ${name}`;
  return `# ${name}: 12 bytes\nSHA${hex.length * 4} (${name}) = ${hex}`;
}

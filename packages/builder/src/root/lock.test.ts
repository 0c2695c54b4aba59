import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePrintUris, sourcesList } from './apt.ts';
import { formatLock, type PackageSelection, parseLock, selectionDigest } from './lock.ts';

const SELECTION: PackageSelection = {
  name: 'tools',
  mirror: 'http://deb.debian.org',
  suite: 'trixie',
  arch: 'amd64',
  packages: ['b', 'a'],
  without: [],
  bootable: false,
};
const SHA256 = 'ab'.repeat(32);
const BASH = {
  name: 'bash',
  version: '1:5.2.37-2+b10',
  arch: 'amd64',
  sha256: SHA256,
  size: 1500792,
  path: 'debian/pool/main/b/bash/bash_5.2.37-2%2bb10_amd64.deb',
};

test('a lock is read as it was written, sorted by name', () => {
  const lock = { selection: selectionDigest(SELECTION), packages: [{ ...BASH, name: 'zsh' }, BASH] };
  const text = formatLock(lock);
  expect(parseLock(text, 'x.lock').packages).toEqual([BASH, { ...BASH, name: 'zsh' }]);
  expect(formatLock(parseLock(text, 'x.lock'))).toBe(text);
});

test('a lock holds for a selection, whatever its order, name and mirror', () => {
  const same = { ...SELECTION, name: 'other', mirror: 'http://mirror.example', packages: ['a', 'b'] };
  expect(selectionDigest(same)).toBe(selectionDigest(SELECTION));
  expect(selectionDigest({ ...SELECTION, packages: ['a'] })).not.toBe(selectionDigest(SELECTION));
  expect(selectionDigest({ ...SELECTION, arch: 'arm64' })).not.toBe(selectionDigest(SELECTION));
});

test('lines that are none are told, all of them', () => {
  const text = `${formatLock({ selection: selectionDigest(SELECTION), packages: [BASH] })}bash ../../etc/passwd\nrm -rf /\n`;
  expect(() => parseLock(text, 'x.lock')).toThrowError(/2 bad lines[\s\S]*passwd[\s\S]*rm -rf/);
  expect(() => parseLock('', 'x.lock')).toThrowError(expect.objectContaining({ code: 'DEFINITION_INVALID' }));
});

test('a path that leaves the mirror is refused', () => {
  const text = formatLock({ selection: selectionDigest(SELECTION), packages: [{ ...BASH, path: 'debian/../x.deb' }] });
  expect(() => parseLock(text, 'x.lock')).toThrowError(/1 bad lines/);
});

test('any text is parsed or refused', () => {
  const start = formatLock({ selection: selectionDigest(SELECTION), packages: [BASH] });
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseLock(start + text, 'x.lock');
      } catch (error) {
        expect(error).toMatchObject({ code: 'DEFINITION_INVALID' });
      }
    }),
  );
});

test('what apt-get prints becomes packages; its other lines and other mirrors do not', () => {
  const stdout = [
    'Reading package lists...',
    `'http://deb.debian.org/${BASH.path}' bash_1%3a5.2.37-2+b10_amd64.deb 1500792 SHA256:${SHA256}`,
    `'http://other.example/a.deb' a_1_all.deb 5 SHA256:${SHA256}`,
    `'http://deb.debian.org/debian/pool/a.deb' a_1_all.deb 5 MD5Sum:00`,
  ].join('\n');
  expect(parsePrintUris(stdout, SELECTION.mirror)).toEqual([BASH]);
});

test('a suite comes with its updates and security fixes', () => {
  expect(sourcesList(SELECTION).match(/trixie\S*/g)).toEqual(['trixie', 'trixie-updates', 'trixie-security']);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { comparePaths, expandBraces, pathRules } from './path-rules.ts';

test('a pattern means a path and all below it', () => {
  const { drop } = pathRules(['usr/share/doc', 'etc/cron.*', 'usr/bin/{a,b}?']);
  expect(['usr/share/doc', 'usr/share/doc/bash/README', 'etc/cron.daily/x', 'usr/bin/a1'].every(drop)).toBe(true);
  expect(['usr/share/docs', 'usr/share', 'etc/cron', 'usr/bin/a', 'x/usr/share/doc'].some(drop)).toBe(false);
});

test('what is kept keeps its folders, and nothing else of them', () => {
  const { drop } = pathRules(['usr/share/qemu'], ['usr/share/qemu/keymaps/en-us']);
  expect(['usr/share/qemu', 'usr/share/qemu/keymaps', 'usr/share/qemu/keymaps/en-us'].some(drop)).toBe(false);
  expect(['usr/share/qemu/keymaps/de', 'usr/share/qemu/skiboot.lid'].every(drop)).toBe(true);
});

test('a dot is a dot and a star stays within a name', () => {
  const { drop } = pathRules(['lib/*.so']);
  expect(drop('lib/a.so')).toBe(true);
  expect(drop('lib/aXso')).toBe(false);
  expect(drop('lib/x/a.so')).toBe(false);
});

test('patterns that met nothing are told', () => {
  const rules = pathRules(['a', 'b/{c,d}']);
  rules.drop('b/c/x');
  expect(rules.unused()).toEqual(['a', 'b/d']);
});

test('braces', () => {
  expect(expandBraces('a{b,c}d{e,f}')).toEqual(['abde', 'abdf', 'acde', 'acdf']);
  expect(expandBraces('plain')).toEqual(['plain']);
});

test('a folder comes before what is in it and that before its next sibling', () => {
  const paths = ['a-b', 'a/b', 'a', 'B', 'a/b/c', 'ab'];
  expect([...paths].sort(comparePaths)).toEqual(['B', 'a', 'a/b', 'a/b/c', 'a-b', 'ab']);
});

test('the order is one', () => {
  const path = fc.array(fc.string({ minLength: 1 }), { minLength: 1 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(path, path, (a, b) => {
      expect(Math.sign(comparePaths(a, b))).toEqual(0 - Math.sign(comparePaths(b, a)));
    }),
  );
});

import { expect, test } from 'vitest';
import { retimeBytecode, sourceOfBytecode } from './python-bytecode.ts';

test('the source of a compiled module', () => {
  expect(sourceOfBytecode('usr/lib/a/__pycache__/b.cpython-313.pyc')).toBe('usr/lib/a/b.py');
  expect(sourceOfBytecode('__pycache__/b.cpython-39.opt-1.pyc')).toBe('b.py');
  expect(sourceOfBytecode('usr/lib/a/b.py')).toBeUndefined();
  expect(sourceOfBytecode('usr/lib/a/b.pyc')).toBeUndefined();
});

test('a hash in the header becomes time and size; the code stays', () => {
  const content = Buffer.concat([Buffer.from('f30d0d0a03000000aaaaaaaaaaaaaaaa', 'hex'), Buffer.from('code')]);
  const retimed = retimeBytecode(content, 0x67748580, 47080);
  expect(retimed.toString('hex')).toBe(`f30d0d0a0000000080857467e8b70000${Buffer.from('code').toString('hex')}`);
});

test('what is too short for a header is left alone', () => {
  expect(retimeBytecode(Buffer.from('x'), 1, 1).toString()).toBe('x');
});

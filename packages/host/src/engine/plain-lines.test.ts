import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainLines } from './plain-lines.ts';

test.each([
  ['colours', '\x1b[1;32mok\x1b[0m\r\n', ['ok']],
  ['a screen that is drawn', '\x1b[H\x1b[J\x1b[2;25HGNU GRUB\x1b[m', ['GNU GRUB']],
  ['a window title', 'a\x1b]0;pwned\x07b', ['ab']],
  ['a keypad mode', '\x1b=\x1b(Bx', ['x']],
  ['bells and backspaces', 'x\x07\x08\ty', ['x\ty']],
  ['a C1 control sequence', '\x9b31mred', ['31mred']],
  ['empty lines', '\n\n  \n', []],
])('%s', (_name, text, lines) => {
  expect(plainLines(text)).toEqual(lines);
});

test('nothing that a guest writes controls the terminal', () => {
  const noise = fc.string({
    unit: fc.constantFrom('\x1b', '[', ']', 'P', '\\', '\x07', '\x9b', '\r', '\n', '\t', 'm', '1', ';', 'é'),
  });
  fc.assert(
    fc.property(noise, (text) => {
      for (const line of plainLines(text)) expect(line).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
    }),
  );
});

import { expect, test } from 'vitest';
import { COMMANDS, GLOBAL_OPTIONS, GROUPS } from '../commands/table.ts';
import { parseFlag } from './model.ts';
import { SHELLS } from './shells.ts';

const input = { commands: COMMANDS, groups: GROUPS, globals: GLOBAL_OPTIONS, catalogue: ['debian:13-packages'] };

test.each(Object.keys(SHELLS))('%s knows every command, option and catalogue name', (shell) => {
  const script = SHELLS[shell]?.(input) ?? '';
  for (const { name, options } of COMMANDS) {
    for (const word of name.split(' ')) expect(script).toContain(word);
    for (const option of options) expect(script).toContain(parseFlag(option).long.slice(2));
  }
  expect(script).toMatch(/debian\\?:13-packages/);
});

test.each([
  ['-o, --output <file>', '--output', '-o', true],
  ['--json', '--json', undefined, false],
])('%s', (flags, long, short, takesValue) => {
  expect(parseFlag({ flags, description: '' })).toMatchObject({ long, short, takesValue });
});

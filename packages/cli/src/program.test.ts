import { CommanderError } from '@commander-js/extra-typings';
import { expect, test } from 'vitest';
import { COMMANDS, GROUPS } from './commands/table.ts';
import { parseCommandLine } from './program.ts';

function read(line: string) {
  let out = '';
  let err = '';
  const write = { out: (text: string) => (out += text), err: (text: string) => (err += text) };
  try {
    const invocation = parseCommandLine(line.split(' ').filter(Boolean), '1.2.3', write);
    return { name: invocation?.row.name, args: invocation?.args, options: invocation?.options, out, err };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { exitCode: error.exitCode, out, err };
  }
}

test.each([
  ['bake debian:13 -o x.tar', 'bake', ['debian:13'], { output: 'x.tar' }],
  ['--debug catalog --json', 'catalog', [], { debug: true, json: true }],
  ['catalog --quiet', 'catalog', [], { quiet: true }],
  ['run box --publish 1:1 --publish 2:2 -e A=b', 'run', ['box'], { publish: ['1:1', '2:2'], env: ['A=b'] }],
  ['run box --network a --network b --ip 10.0.0.9', 'run', ['box'], { network: ['a', 'b'], ip: ['10.0.0.9'] }],
  [
    'network create lab --subnet 10.0.0.0/24 --json',
    'network create',
    ['lab'],
    { subnet: ['10.0.0.0/24'], json: true },
  ],
  ['--debug network --quiet create lab', 'network create', ['lab'], { debug: true, quiet: true }],
  ['ssh -l me box ls -la --json', 'ssh', ['box', 'ls', '-la', '--json'], { user: 'me' }],
  ['ssh box -- -x', 'ssh', ['box', '--', '-x'], {}],
])('%s', (line, name, args, options) => {
  expect(read(line)).toMatchObject({ name, args, options });
});

test.each([
  ['bake', "missing required argument 'images'"],
  ['catalog extra', 'too many arguments'],
  ['run box --engine lxd', 'Allowed choices are docker, podman'],
  ['run box --memroy 1G', 'Did you mean --memory?'],
  ['bkae x', 'Did you mean bake?'],
  ['network crate x', 'Did you mean create?'],
  ['network create', "missing required argument 'name'"],
  ['network', 'Usage: virtainers network'],
])('a mistake says what is wrong: %s', (line, message) => {
  const result = read(line);
  expect(result.exitCode).toBeGreaterThan(0);
  expect(result.err).toContain(message);
});

test('the version alone', () => {
  expect(read('--version')).toEqual({ exitCode: 0, out: '1.2.3\n', err: '' });
});

test.each(COMMANDS.map(({ name }) => name))('%s --help teaches with examples', (name) => {
  const { out, exitCode } = read(`${name} --help`);
  expect(exitCode).toBe(0);
  expect(out).toContain(`Usage: virtainers ${name}`);
  expect(out).toMatch(/Examples:\n {2}# .+\n {2}\S/);
});

test.each(GROUPS.map(({ name }) => name))('%s --help names its commands, with examples', (name) => {
  const { out, exitCode } = read(`${name} --help`);
  expect(exitCode).toBe(0);
  const rows = COMMANDS.filter((row) => row.name.startsWith(`${name} `));
  for (const { summary, examples } of rows) {
    expect(out.replaceAll(/\s+/g, ' ')).toContain(summary);
    expect(out).toContain(examples[0]?.command);
  }
});

test('help names every command, and the first steps', () => {
  const { out } = read('--help');
  for (const { name, summary } of COMMANDS) if (!name.includes(' ')) expect(out).toContain(summary);
  for (const { summary } of GROUPS) expect(out).toContain(summary);
  expect(out).toContain('virtainers bake fedora --load docker');
});

test('every example is understood', () => {
  for (const { command } of COMMANDS.flatMap(({ examples }) => examples)) {
    const line = command
      .replace(/^source <\((.*)\)$/, '$1')
      .replace(/ (&&|>) .*$/, '')
      .replace(/^virtainers /, '');
    expect(read(line).name, command).toBeDefined();
  }
});

/** `-o, --output <file>` -> `output`, as commander calls what was given. */
function optionKey(flags: string): string {
  const word = /--(?:no-)?([a-z0-9-]+)/.exec(flags)?.[1] ?? '';
  return word.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

test.each(COMMANDS.map((row) => [row.name, row] as const))(
  '%s reads the options that it has, and no others',
  async (_, row) => {
    const { schema } = await row.load();
    const keys = [...new Set(row.options.map(({ flags }) => optionKey(flags)))];
    expect(Object.keys(schema?.shape ?? {}).sort()).toEqual(keys.sort());
  },
);

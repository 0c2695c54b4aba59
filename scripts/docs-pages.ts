import { definitionJsonSchema } from '../packages/builder/src/definition/json-schema.ts';
import type { CommandRow, OptionRow } from '../packages/cli/src/commands/rows.ts';
import { COMMANDS, GLOBAL_OPTIONS } from '../packages/cli/src/commands/table.ts';
import { ERRORS } from '../packages/core/src/errors.ts';
import { SETTINGS, type Setting } from '../packages/runtime/src/config/settings.ts';

/** What is made from the code's own tables and schemas, by path. */
export function generatedFiles(): Record<string, string> {
  return {
    'docs/commands.md': commandsPage(),
    'docs/settings.md': settingsPage(),
    'docs/errors.md': errorsPage(),
    'images/schema.json': `${JSON.stringify(definitionJsonSchema(), null, 2)}\n`,
  };
}

function commandsPage(): string {
  const list = COMMANDS.map(({ name, summary }) => [`[\`${name}\`](#${name.replaceAll(' ', '-')})`, summary]);
  return page('Commands', 'packages/cli/src/commands/table.ts', [
    ...table(['command', 'what it does'], list),
    '',
    'Options that every command understands:',
    '',
    ...table(['option', 'meaning'], optionRows([...GLOBAL_OPTIONS, HELP])),
    '',
    'Results go to stdout, everything else to stderr. Ctrl-C ends a command cleanly, with exit code 130;',
    'what other exit codes mean is in [errors.md](errors.md).',
    ...COMMANDS.flatMap(commandSection),
  ]);
}

function commandSection(row: CommandRow): string[] {
  const usage = ['virtainers', row.name, '[options]', ...row.arguments.map(({ name }) => name)].join(' ');
  const words = row.arguments.map(({ name, description }) => [code(name), description]);
  return [
    '',
    `## ${row.name}`,
    '',
    `${row.summary.charAt(0).toUpperCase()}${row.summary.slice(1)}: \`${usage}\``,
    ...section(['argument', 'meaning'], words),
    ...section(['option', 'meaning'], optionRows(row.options)),
    '',
    '```sh',
    ...row.examples.flatMap(({ command, meaning }) => [`# ${meaning}`, command]),
    '```',
  ];
}

const HELP: OptionRow = { flags: '--help', description: 'show help, with examples' };

function optionRows(options: readonly OptionRow[]): string[][] {
  return options.map(({ flags, description, repeated }) => [
    code(flags),
    repeated ? `${description}; may be given more than once` : description,
  ]);
}

function settingsPage(): string {
  return page('Settings', 'packages/runtime/src/config/settings.ts', [
    'A virtual machine is configured by the environment of its container: `docker run --env RAM=2G …`, or',
    '`virtainers run --env …`. All mistakes are reported at once, with exit code 78.',
    ...section(['setting', 'default', 'meaning', 'allowed'], SETTINGS.map(settingRow)),
  ]);
}

function settingRow(setting: Setting): string[] {
  return [code(setting.name), setting.default, setting.meaning, setting.allowed];
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([name, { exit, title }]) => [code(name), String(exit), title]);
  return page('Errors', 'packages/core/src/errors.ts', [
    'Every failure that can be expected says what was being done, and what to do next. The exit codes are those of',
    'sysexits(3); the command and the supervisor in the container share them.',
    ...section(
      ['exit code', 'meaning'],
      [
        ['0', 'done; in a container: the guest powered off, or a stop was asked for and done'],
        ['1', 'a bug in virtainers: please report it'],
        ['130, 143', 'ended by Ctrl-C (SIGINT), by SIGTERM'],
        ['others', 'see below; `virtainers ssh` passes on the exit code of ssh'],
      ],
    ),
    ...section(['error', 'exit code', 'meaning'], rows),
  ]);
}

function page(title: string, source: string, lines: readonly string[]): string {
  return [`# ${title}`, '', `<!-- Made by \`npm run docs\` from ${source}; change that. -->`, '', ...lines, ''].join(
    '\n',
  );
}

function section(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : ['', ...table(head, rows)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)];
}

/** A bar would end the cell, an angle bracket outside code would begin a tag. */
function escapeCell(text: string): string {
  const escaped = text.replaceAll('|', '\\|');
  return escaped
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;')))
    .join('');
}

function code(text: string): string {
  return `\`${text}\``;
}

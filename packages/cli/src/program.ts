import { Command, Option } from '@commander-js/extra-typings';
import type { CommandRow, ExampleRow, GroupRow, OptionRow } from './commands/rows.ts';
import { COMMANDS, GLOBAL_OPTIONS, GROUPS } from './commands/table.ts';

/** A command line, understood: which command, with which words and options. */
export interface Invocation {
  readonly row: CommandRow;
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Reads a command line against the table. Help and version are written through `write` and throw commander's CommanderError
 * with exit code 0, mistakes with another one. Undefined: nothing was asked for.
 */
export function parseCommandLine(
  argv: readonly string[],
  version: string,
  write: { out(text: string): void; err(text: string): void },
): Invocation | undefined {
  let invocation: Invocation | undefined;
  const program = makeProgram(version, (found) => {
    invocation = found;
  });
  for (const command of withDescendants(program)) {
    command.exitOverride().configureOutput({ writeOut: write.out, writeErr: write.err });
  }
  program.parse([...argv], { from: 'user' });
  return invocation;
}

function makeProgram(version: string, onInvocation: (invocation: Invocation) => void): Command {
  const program = new Command('virtainers')
    .description('Virtual machines that are shipped, run and shared as containers')
    .version(version, '--version', 'show the version')
    .helpOption('--help', 'show help')
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(virtainers --help shows what there is)')
    .addHelpText('after', examples(COMMANDS.flatMap((row) => row.examples.slice(0, 1))));
  for (const option of GLOBAL_OPTIONS) program.addOption(makeOption(option));
  for (const row of COMMANDS) addCommand(parentOf(program as Command, row), row, onInvocation);
  return program as Command;
}

/** The program itself, or the row's group, made where it comes first: help lists in the table's order. */
function parentOf(program: Command, { name }: CommandRow): Command {
  const group = GROUPS.find((each) => name.startsWith(`${each.name} `));
  if (!group) return program;
  const made = program.commands.find((command) => command.name() === group.name) as Command | undefined;
  return made ?? addGroup(program, group);
}

function addGroup(program: Command, { name, summary }: GroupRow): Command {
  const command: Command = program.command(name).summary(summary).description(sentence(summary));
  const rows = COMMANDS.filter((row) => row.name.startsWith(`${name} `));
  command.helpOption('--help', 'show help').helpCommand(false).enablePositionalOptions();
  command.addHelpText('after', examples(rows.flatMap((row) => row.examples.slice(0, 1))));
  command.showHelpAfterError(`(virtainers ${name} --help shows what there is)`);
  for (const option of GLOBAL_OPTIONS) command.addOption(makeOption(option));
  return command;
}

function addCommand(parent: Command, row: CommandRow, onInvocation: (invocation: Invocation) => void): void {
  const word = row.name.split(' ').at(-1) ?? row.name;
  const command = parent.command(word).summary(row.summary).description(sentence(row.summary));
  command.helpOption('--help', 'show help').addHelpText('after', examples(row.examples));
  command.showHelpAfterError(`(virtainers ${row.name} --help shows how)`);
  for (const argument of row.arguments) command.argument(argument.name, argument.description);
  for (const option of [...row.options, ...GLOBAL_OPTIONS]) command.addOption(makeOption(option));
  if (row.passThrough) command.passThroughOptions();
  command.action(() => {
    onInvocation({ row, args: command.args, options: command.optsWithGlobals() });
  });
}

function withDescendants(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => withDescendants(child as Command))];
}

function makeOption({ flags, description, complete, repeated }: OptionRow): Option {
  const option = new Option(flags, description);
  if (typeof complete === 'object') option.choices(complete);
  if (repeated) option.argParser<string[]>((value, before) => [...(before ?? []), value]);
  return option;
}

/** `# what it does` above each command, as people write it in a terminal. */
function examples(rows: readonly ExampleRow[]): string {
  const lines = rows.flatMap(({ command, meaning }) => [`  # ${meaning}`, `  ${command}`]);
  return ['', 'Examples:', ...lines, ''].join('\n');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

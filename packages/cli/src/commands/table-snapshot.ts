import type { ArgumentRow, CommandRow } from './rows.ts';
import { engine, json } from './shared-rows.ts';

const machine: ArgumentRow = {
  name: '<machine>',
  description: 'a container, running or not, or a data folder that no machine uses',
  complete: 'container',
};

/** States of a machine, kept in its own disk. */
export const SNAPSHOT_COMMANDS: readonly CommandRow[] = [
  {
    name: 'snapshot create',
    summary: "keep a machine's disk as it is now, and its memory if it runs",
    arguments: [machine, { name: '[snapshot]', description: 'what to call it; otherwise by the time' }],
    options: [
      {
        flags: '--disk-only',
        description: 'leave out the memory of a running machine, which then stands still for a moment only',
      },
      engine,
      json,
    ],
    examples: [
      {
        command: 'virtainers snapshot create box before-upgrade',
        meaning: 'the guest runs on when its memory is written',
      },
      { command: 'virtainers snapshot create box --disk-only', meaning: 'the disk alone, at once' },
    ],
    load: () => import('./snapshot-create.ts'),
  },
  {
    name: 'snapshot ls',
    summary: "list a machine's snapshots, the oldest first",
    arguments: [machine],
    options: [engine, json],
    examples: [{ command: 'virtainers snapshot ls box', meaning: 'their names, when they were made, their memory' }],
    load: () => import('./snapshot-ls.ts'),
  },
  {
    name: 'snapshot restore',
    summary: 'put a machine back; what it is now is kept as a snapshot first',
    arguments: [machine, { name: '<snapshot>', description: 'its name' }],
    options: [{ flags: '--discard', description: 'do not keep what the machine is now' }, engine, json],
    examples: [
      {
        command: 'virtainers snapshot restore box before-upgrade',
        meaning: 'a running guest goes on from there at once, a stopped one at its next start',
      },
    ],
    load: () => import('./snapshot-restore.ts'),
  },
  {
    name: 'snapshot rm',
    summary: "remove some of a machine's snapshots",
    arguments: [machine, { name: '<snapshots...>', description: 'their names' }],
    options: [engine, json],
    examples: [
      { command: 'virtainers snapshot rm box before-upgrade', meaning: 'their room in the disk is used again' },
    ],
    load: () => import('./snapshot-rm.ts'),
  },
];

import { printablePath } from '@virtainers/builder';
import { formatSize } from '@virtainers/core';
import { showSnapshots } from '@virtainers/host';
import { z } from 'zod';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';

export const schema = z.object({ engine: engine.optional(), json: flag });

export const action: Action = async (cli, [source = ''], raw) => {
  const { json, ...options } = parseOptions(schema, raw);
  const snapshots = await showSnapshots(cli, { source, ...options });
  const rows = snapshots.map(({ name, created, memory }) => [
    printablePath(name),
    created.replace('.000', ''),
    memory > 0 ? formatSize(memory) : '-',
  ]);
  const lines = json ? [JSON.stringify(snapshots, null, 2)] : renderColumns([['NAME', 'CREATED', 'MEMORY'], ...rows]);
  for (const line of lines) cli.print(line);
  return 0;
};

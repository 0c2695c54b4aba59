import { removeSnapshots } from '@virtainers/host';
import { z } from 'zod';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';

export const schema = z.object({ engine: engine.optional(), json: flag });

export const action: Action = async (cli, [source = '', ...names], raw) => {
  const { json, ...options } = parseOptions(schema, raw);
  const removed = await removeSnapshots(cli, { source, names, ...options });
  for (const line of json ? [JSON.stringify(removed, null, 2)] : removed.map(({ name }) => name)) cli.print(line);
  return 0;
};

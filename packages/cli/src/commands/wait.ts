import { findContainer } from '@virtainers/host';
import { z } from 'zod';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';
import { waitVisibly } from '../waiting.ts';

export const schema = z.object({ engine: engine.optional(), json: flag });

export const action: Action = async (cli, [name = ''], raw) => {
  const options = parseOptions(schema, raw);
  const status = await waitVisibly(cli, await findContainer(cli, name, options.engine));
  if (options.json) cli.print(JSON.stringify(status));
  return 0;
};

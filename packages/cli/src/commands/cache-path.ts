import { cacheFolder } from '@virtainers/builder';
import { z } from 'zod';
import type { Action } from '../context.ts';
import { parseOptions } from '../options.ts';

export const schema = z.object({ cacheDir: z.string().optional() });

export const action: Action = async (cli, _args, raw) => {
  const { cacheDir } = parseOptions(schema, raw);
  cli.print(cacheFolder(cli.env, cli.home, cacheDir));
  return 0;
};

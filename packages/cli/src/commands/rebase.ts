import { rebaseData } from '@virtainers/host';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import type { Action } from '../context.ts';
import { flag, parseOptions } from '../options.ts';

export const schema = z.object({
  base: z.string().min(1).optional(),
  insecure: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [folder = '', onto = ''], raw) => {
  const { cacheDir, json, ...options } = parseOptions(schema, raw);
  const chain = await rebaseData(cli, makeBuildContext(cli, cacheDir), { folder, onto, ...options });
  if (json) cli.print(JSON.stringify(chain, null, 2));
  else cli.print(chain.at(-1)?.sha256 ?? '');
  return 0;
};

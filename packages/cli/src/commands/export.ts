import { formatSize } from '@virtainers/core';
import { exportData } from '@virtainers/host';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import type { Action } from '../context.ts';
import { engine, parseOptions } from '../options.ts';

export const schema = z.object({ engine: engine.optional(), cacheDir: z.string().optional() });

export const action: Action = async (cli, [source = '', file = ''], raw) => {
  const { cacheDir, engine } = parseOptions(schema, raw);
  const size = await exportData(cli, makeBuildContext(cli, cacheDir), { source, file, engine });
  cli.log.info(`${file}: ${formatSize(size)}; it holds the guest's disk: keep it as secret as that`);
  return 0;
};

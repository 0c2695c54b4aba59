import { type DiskDiff, type PartitionDiff, printablePath } from '@virtainers/builder';
import { formatSize } from '@virtainers/core';
import { diffData } from '@virtainers/host';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';

export const schema = z.object({
  base: z.string().min(1).optional(),
  insecure: flag,
  engine: engine.optional(),
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [source = ''], raw) => {
  const { cacheDir, json, ...options } = parseOptions(schema, raw);
  const diff = await diffData(cli, makeBuildContext(cli, cacheDir), { source, ...options });
  for (const line of json ? [JSON.stringify(diff, null, 2)] : renderDiff(diff)) cli.print(line);
  return 0;
};

function renderDiff({ changed, partitions, elsewhere }: DiskDiff): string[] {
  return [
    `changed: ${formatSize(changed)}`,
    ...partitions.filter((partition) => partition.changed > 0).flatMap(renderPartition),
    ...(elsewhere > 0 ? [`outside any partition: ${formatSize(elsewhere)}`] : []),
  ];
}

const MARKS = { new: 'A', changed: 'C', deleted: 'D' } as const;

/** Marked as `docker diff` does. */
function renderPartition({ name, changed, files }: PartitionDiff): string[] {
  const head = `partition ${name}: ${formatSize(changed)}`;
  if (!files) return [`${head}; its file system is not ext4: which files that are is not known`];
  const rows = files.map(({ change, size, path }) => [`${MARKS[change]}`, formatSize(size), printablePath(path)]);
  return [head, ...renderColumns(rows)];
}

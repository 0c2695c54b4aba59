import { type CatalogueRow, listCatalogue } from '@virtainers/builder';
import { formatSize } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import { loadCatalogue } from '../catalogue.ts';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { flag, parseOptions } from '../options.ts';

const schema = z.object({ cacheDir: z.string().optional(), json: flag });

export const action: Action = async (cli, _args, raw) => {
  const { cacheDir, json } = parseOptions(schema, raw);
  const rows = await listCatalogue(makeBuildContext(cli, cacheDir), await loadCatalogue(cli));
  for (const line of json ? [JSON.stringify(rows, null, 2)] : renderCatalogue(rows)) cli.print(line);
  return 0;
};

export function renderCatalogue(rows: readonly CatalogueRow[]): string[] {
  const head = ['NAME', 'ARCH', 'USER', 'DISK', 'END OF LIFE', 'BAKED', 'TITLE'];
  return renderColumns([head, ...rows.map(renderRow)]);
}

function renderRow(row: CatalogueRow): string[] {
  const disk = row.virtualSize === undefined ? '-' : formatSize(row.virtualSize);
  return [row.name, row.arch, row.user, disk, row.endOfLife ?? '-', row.baked?.slice(7, 19) ?? '-', row.title];
}

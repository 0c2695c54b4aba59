import { type CatalogueRow, listCatalogue } from '@virtainers/builder';
import { ARCHITECTURES, formatSize } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import { loadCatalogue } from '../catalogue.ts';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { flag, parseOptions } from '../options.ts';

export const schema = z.object({
  arch: z.enum(ARCHITECTURES, 'amd64 or arm64').optional(),
  all: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, _args, raw) => {
  const { arch, all, cacheDir, json } = parseOptions(schema, raw);
  const today = new Date().toISOString().slice(0, 10);
  const every = await listCatalogue(makeBuildContext(cli, cacheDir), await loadCatalogue(cli), today);
  const rows = every.filter((row) => (all || !row.ended) && (arch === undefined || row.architectures.includes(arch)));
  for (const line of json ? [JSON.stringify(rows, null, 2)] : renderCatalogue(rows)) cli.print(line);
  const hidden = every.filter((row) => row.ended && !rows.includes(row)).length;
  if (!all && hidden > 0) cli.log.info(`${hidden} more get no security fixes any longer: --all lists them too`);
  return 0;
};

/** What one line of a terminal holds; `--json` has the rest. */
export function renderCatalogue(rows: readonly CatalogueRow[]): string[] {
  const head = ['NAME', 'ARCH', 'USER', 'SIZE', 'SOURCE', 'TRUST', 'RESOLVED', 'BAKED', 'END OF LIFE'];
  return renderColumns([head, ...rows.map(renderRow)]);
}

function renderRow(row: CatalogueRow): string[] {
  const size = row.size ?? row.virtualSize;
  return [
    row.name,
    row.architectures.join(','),
    row.user,
    size === undefined ? '-' : formatSize(size),
    row.source,
    row.trust ?? '-',
    row.resolved ?? '-',
    row.baked?.slice(7, 19) ?? '-',
    row.endOfLife ?? '-',
  ];
}

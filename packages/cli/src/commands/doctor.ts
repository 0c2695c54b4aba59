import { cacheFolder } from '@virtainers/builder';
import { ERRORS } from '@virtainers/core';
import { type DoctorReport, examine } from '@virtainers/host';
import { z } from 'zod';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { flag, parseOptions } from '../options.ts';

export const schema = z.object({ json: flag, cacheDir: z.string().optional() });

export const action: Action = async (cli, _args, raw) => {
  const { json, cacheDir } = parseOptions(schema, raw);
  const report = await examine(cli, cacheFolder(cli.env, cli.home, cacheDir));
  for (const line of json ? [JSON.stringify(report, null, 2)] : renderReport(report)) cli.print(line);
  return report.canRun ? 0 : ERRORS.ENGINE_UNAVAILABLE.exit;
};

const MARKS = { ok: 'ok', warning: '--', failed: 'XX' } as const;

export function renderReport({ canRun, checks }: DoctorReport): string[] {
  const rows = renderColumns(checks.map(({ status, title, detail }) => [MARKS[status], title, firstLine(detail)]));
  const lines = checks.flatMap(({ remedy }, index) => [rows[index] ?? '', ...(remedy ? [`      ${remedy}`] : [])]);
  const verdict = canRun
    ? 'virtual machines can be run here'
    : 'no virtual machine can be run here: no container engine answers';
  return [...lines, '', verdict];
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

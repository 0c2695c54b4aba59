import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestBytes, writeFileAtomically } from '@virtainers/core';
import type { z } from 'zod';
import type { BuildContext } from './context.ts';

/** What a record is about; part of its file's name. */
export type RecordKind =
  | 'layer'
  | 'file'
  | 'sum'
  | 'url'
  | 'root'
  | 'bake'
  | 'vendor'
  | 'signed'
  | 'image'
  | 'upgrade'
  | 'baked';

/** A small fact that was costly to learn. Undefined when it is not known, or was written by another version. */
export async function readRecord<T>(
  ctx: Pick<BuildContext, 'cacheDir'>,
  kind: RecordKind,
  key: object | string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(recordPath(ctx, kind, key), 'utf8')));
  } catch {
    return undefined;
  }
}

export async function writeRecord(
  ctx: Pick<BuildContext, 'cacheDir'>,
  kind: RecordKind,
  key: object | string,
  value: object,
): Promise<void> {
  const path = recordPath(ctx, kind, key);
  const text = JSON.stringify(value);
  // What is known already costs no write, and so a cache that cannot be written may be used.
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, text);
}

function recordPath(ctx: Pick<BuildContext, 'cacheDir'>, kind: RecordKind, key: object | string): string {
  const text = typeof key === 'string' ? key : JSON.stringify(key);
  return join(ctx.cacheDir, 'records', kind, `${digestBytes(text).slice(7)}.json`);
}

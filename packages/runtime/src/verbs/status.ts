import { watch } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type State, type Status, statusSchema } from '@virtainers/core';
import { z } from 'zod';
import { readLife } from '../container/life.ts';

type Out = (text: string) => void;

const FINAL: ReadonlySet<State> = new Set(['ready', 'degraded', 'failed', 'stopped', 'saved']);

/** Undefined: not written yet in this life of the container. */
async function readStatus(path: string): Promise<Status | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { life } = z.object({ life: z.string() }).parse(JSON.parse(text));
  return life === (await readLife()) ? statusSchema.parse(JSON.parse(text)) : undefined;
}

/** For the engine's health check: 0 when ready, else 1; one line says why. */
export async function reportHealth(path: string, out: Out): Promise<number> {
  const status = await readStatus(path);
  out(
    status
      ? [status.state, status.message].filter(Boolean).join(': ')
      : 'the supervisor has not written its status yet',
  );
  return status?.state === 'ready' ? 0 : 1;
}

/** The status as one JSON line; with `follow` one for every change, until the guest is ready or there is nothing more to come. */
export async function reportStatus(path: string, out: Out, follow: boolean): Promise<number> {
  if (!follow) {
    const status = await readStatus(path);
    if (status) out(JSON.stringify(status));
    return status ? 0 : 1;
  }
  await mkdir(dirname(path), { recursive: true });
  return new Promise((resolve, reject) => {
    let last = '';
    const look = async () => {
      const status = await readStatus(path);
      const line = status ? JSON.stringify(status) : '';
      if (!status || line === last) return;
      last = line;
      out(line);
      if (FINAL.has(status.state)) resolve(0);
    };
    watch(dirname(path)).on('change', (_event, name) => {
      if (name === null || name === basename(path)) look().catch(reject);
    });
    look().catch(reject);
  });
}

import { formatSize } from '@virtainers/core';
import { createSnapshot } from '@virtainers/host';
import { z } from 'zod';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';

export const schema = z.object({ diskOnly: flag, engine: engine.optional(), json: flag });

export const action: Action = async (cli, [source = '', name], raw) => {
  const { json, ...options } = parseOptions(schema, raw);
  const changed = await createSnapshot(cli, { source, name, ...options });
  const { snapshot, paused, frozen } = changed;
  const stood = paused === undefined ? '' : `; the guest stood still for ${(paused / 1000).toFixed(1)} s at most`;
  cli.log.info(`${source}: ${describe(snapshot.memory)}${stood}`);
  if (frozen === false)
    cli.log.warn(`${source}: no agent could freeze its file systems: the snapshot is as after a power cut`);
  cli.print(json ? JSON.stringify(changed, null, 2) : snapshot.name);
  return 0;
};

function describe(memory: number): string {
  return memory > 0 ? `disk and memory (${formatSize(memory)})` : 'the disk alone';
}

import { restoreSnapshot } from '@virtainers/host';
import { z } from 'zod';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';

export const schema = z.object({ discard: flag, engine: engine.optional(), json: flag });

export const action: Action = async (cli, [source = '', name = ''], raw) => {
  const { json, ...options } = parseOptions(schema, raw);
  const changed = await restoreSnapshot(cli, { source, name, ...options });
  const { kept, paused, snapshot } = changed;
  const goesOn = snapshot.memory > 0 ? 'its next start goes on from there' : 'its next start boots from there';
  cli.log.info(`${source}: ${name} is restored; ${paused === undefined ? goesOn : 'the guest goes on from there'}`);
  if (kept !== undefined) cli.log.info(`  what it was before is kept as ${kept}`);
  if (json) cli.print(JSON.stringify(changed, null, 2));
  return 0;
};

import { findContainer, sshInto } from '@virtainers/host';
import { z } from 'zod';
import type { Action } from '../context.ts';
import { engine, parseOptions } from '../options.ts';

export const schema = z.object({
  user: z.string().optional(),
  identity: z.string().optional(),
  engine: engine.optional(),
});

export const action: Action = async (cli, [name = '', ...command], raw) => {
  const { user, identity, engine } = parseOptions(schema, raw);
  if (command[0] === '--') command.shift();
  return sshInto(cli, await findContainer(cli, name, engine), { command, user, identity });
};

import { formatAddress, formatPrefix } from '@virtainers/core';
import { type CreatedNetwork, createNetwork } from '@virtainers/host';
import { z } from 'zod';
import type { Action, CliContext } from '../context.ts';
import { engine, flag, parseOptions } from '../options.ts';

const words = z.array(z.string()).default([]);

export const schema = z.object({
  subnet: words,
  ipRange: words,
  gateway: words,
  macvlan: z.string().optional(),
  external: flag,
  engine: engine.optional(),
  json: flag,
});

export const action: Action = async (cli, [name = ''], raw) => {
  const { json, ...options } = parseOptions(schema, raw);
  const created = await createNetwork(cli, { ...options, name });
  if (json) cli.print(JSON.stringify(toJson(created), null, 2));
  else for (const { prefix } of created.plan.subnets) cli.print(formatPrefix(prefix));
  explain(cli, created);
  return 0;
};

/** What `--json` prints; scripts rely on its names. */
function toJson({ engine: name, plan, steps }: CreatedNetwork) {
  return {
    name: plan.name,
    engine: name,
    driver: plan.driver,
    ...(plan.parent === undefined ? {} : { parent: plan.parent }),
    subnets: plan.subnets.map(({ prefix, range, gateway }) => ({
      subnet: formatPrefix(prefix),
      ...(range ? { ipRange: formatPrefix(range) } : {}),
      gateway: formatAddress(gateway),
    })),
    steps,
  };
}

function explain(cli: CliContext, { engine: name, plan, notes, steps }: CreatedNetwork): void {
  const subnets = plan.subnets.map(
    ({ prefix, range, gateway }) =>
      `${formatPrefix(prefix)}, gateway ${formatAddress(gateway)}${range ? `, addresses from ${formatPrefix(range)}` : ''}`,
  );
  cli.log.info(`${plan.name} is there in ${name}: ${subnets.join('; ')}`);
  for (const note of notes) cli.log.info(note);
  if (steps.length > 0) cli.log.info('left to you, as root:');
  for (const { meaning, command } of steps) {
    cli.log.info(`  # ${meaning}`);
    cli.log.info(`  ${command}`);
  }
  cli.log.info(`use it:  virtainers run IMAGE --network ${plan.name}`);
}

import { parseSize } from '@virtainers/core';
import {
  type FoundContainer,
  findContainer,
  listAddresses,
  loginUser,
  parseShareRequest,
  plainSsh,
  prepareRun,
  printRun,
  startRun,
} from '@virtainers/host';
import { z } from 'zod';
import { loadCatalogue } from '../catalogue.ts';
import type { Action, CliContext } from '../context.ts';
import { engine, flag, parseOptions, path, size } from '../options.ts';
import { waitVisibly } from '../waiting.ts';

const MIB = 1024 ** 2;

const share = z.string().transform((text, context) => {
  const parsed = parseShareRequest(text);
  if (typeof parsed !== 'string') return parsed;
  context.addIssue({ code: 'custom', message: parsed });
  return z.NEVER;
});

export const schema = z.object({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][\w.-]+$/, 'letters, digits, `_`, `.` and `-`, at least two')
    .optional(),
  memory: size('M').optional(),
  cpus: z.coerce.number('a number').int('a whole number').min(1, 'at least 1').max(1024, 'at most 1024').optional(),
  diskSize: z
    .string()
    .refine((text) => parseSize(text) !== undefined, 'a size such as 20G')
    .optional(),
  sshKey: path.optional(),
  userData: path.optional(),
  rootDisk: path.optional(),
  disk: z.array(z.string().min(1)).default([]),
  data: path.optional(),
  share: z.array(share).default([]),
  publish: z.array(z.string()).default([]),
  network: z.array(z.string()).default([]),
  ip: z.array(z.string()).default([]),
  env: z.array(z.string().regex(/^\w+(=|$)/, 'NAME=VALUE, or NAME alone to pass your own on')).default([]),
  engine: engine.optional(),
  privileged: flag,
  rm: flag,
  print: flag,
  wait: flag,
});

export const action: Action = async (cli, [image = ''], raw) => {
  const { memory, rm, print, wait, network, ip, disk, share: shares, ...options } = parseOptions(schema, raw);
  const memoryMiB = memory === undefined ? undefined : Math.round(memory / MIB);
  const words = { image, memoryMiB, disks: disk, shares, networks: network, addresses: ip, remove: rm };
  const request = { ...options, ...words, catalogue: await loadCatalogue(cli) };
  const plan = await prepareRun(cli, request, print);
  for (const note of plan.notes) cli.log.info(note);
  if (print) {
    cli.print(printRun(plan));
    return 0;
  }
  await startRun(plan, options.data);
  const found = await findContainer(cli, plan.name, plan.client.dialect.name);
  explain(cli, found);
  cli.print(plan.name);
  if (wait) await waitVisibly(cli, found);
  return 0;
};

/** How to get in, with us and without. */
function explain(cli: CliContext, found: FoundContainer): void {
  const { name } = found.facts;
  const [address] = listAddresses(cli, found);
  const user = loginUser(found) ?? 'USER';
  cli.log.info(`${name} is starting in ${found.client.dialect.name}`);
  cli.log.info(`  log in:   virtainers ssh ${name}${address ? `   (or: ${plainSsh(user, address)})` : ''}`);
  cli.log.info(`  console:  ${found.client.dialect.program} exec -it ${name} virsh console vm`);
  cli.log.info(`  log:      ${found.client.dialect.program} logs -f ${name}`);
  cli.log.info(`  stop:     ${found.client.dialect.program} stop ${name}`);
}

import { isIP } from 'node:net';
import { z } from 'zod';
import type { Signs } from './signs.ts';

/** One agent command; undefined when it failed. */
export type AskAgent = (command: string, args?: object) => Promise<unknown>;

/**
 * What the guest agent can tell: it answers, and what cloud-init left in /run (cloud-init, "Boot status": `enabled` is
 * made by its generator, `result.json` at its end). Undefined: the agent does not answer.
 */
export async function askAgent(ask: AskAgent): Promise<Partial<Signs> | undefined> {
  if ((await ask('guest-ping')) === undefined) return undefined;
  if (await fileExists(ask, '/run/cloud-init/result.json'))
    return { answered: true, cloudInitSeen: true, cloudInitEnded: true };
  return { answered: true, ...((await fileExists(ask, '/run/cloud-init/enabled')) ? { cloudInitSeen: true } : {}) };
}

/** `guest-network-get-interfaces`, as far as it is used (QEMU, qga/qapi-schema.json). */
const interfaces = z.array(
  z.object({
    'hardware-address': z.string().optional(),
    'ip-addresses': z.array(z.object({ 'ip-address': z.string() })).optional(),
  }),
);

/** The addresses of the guest's NIC with that MAC, those of IPv4 first, link-local ones left out; none where the agent does not answer. */
export async function askAddresses(ask: AskAgent, mac: string): Promise<string[]> {
  const told = interfaces.safeParse(await ask('guest-network-get-interfaces')).data ?? [];
  const own = told.filter((nic) => nic['hardware-address']?.toLowerCase() === mac.toLowerCase());
  const addresses = own.flatMap((nic) => nic['ip-addresses'] ?? []).map((each) => each['ip-address']);
  const global = addresses.filter((address) => !/^(fe80:|169\.254\.)/i.test(address));
  return global.sort((a, b) => isIP(a) - isIP(b));
}

async function fileExists(ask: AskAgent, path: string): Promise<boolean> {
  const handle = await ask('guest-file-open', { path, mode: 'r' });
  if (typeof handle !== 'number') return false;
  await ask('guest-file-close', { handle });
  return true;
}

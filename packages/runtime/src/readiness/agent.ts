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

async function fileExists(ask: AskAgent, path: string): Promise<boolean> {
  const handle = await ask('guest-file-open', { path, mode: 'r' });
  if (typeof handle !== 'number') return false;
  await ask('guest-file-close', { handle });
  return true;
}

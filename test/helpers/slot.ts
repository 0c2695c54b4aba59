import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exec } from './process.ts';
import { processesOf } from './processes.ts';

/** A place for one engine: a folder, a network namespace and addresses that no other engine of this machine has. */
export interface Slot {
  readonly folder: string;
  /** Name of the network namespace (ip-netns(8)), of its link on the host, and of a user for rootless engines. */
  readonly name: string;
  /** The engine's own address, reachable from the host: published ports answer here. */
  readonly address: string;
  /** Subnet of the engine's default network, routed from the host. */
  readonly subnet: string;
  /** The first three numbers of a /24 for a test's own networks, routed from the host too. */
  readonly spare: string;
  release(): Promise<void>;
}

const SLOTS = 64;

/** Claims the first free slot. What a killed run left behind (its owner is gone) is swept and reused. */
export async function claimSlot(): Promise<Slot> {
  for (let index = 0; index < SLOTS; index += 1) {
    const folder = join(tmpdir(), `virtainers-engine-${index}`);
    if (await claim(folder)) return prepare(index, folder);
  }
  throw new Error(`all of ${join(tmpdir(), 'virtainers-engine-*')} are in use`);
}

async function claim(folder: string): Promise<boolean> {
  const made = await mkdir(folder).then(
    () => true,
    () => false,
  );
  if (!made) {
    if (await ownerLives(folder)) return false;
    await sweep(folder, nameOf(folder));
    return claim(folder);
  }
  await writeFile(join(folder, 'owner'), String(process.pid));
  return true;
}

async function prepare(index: number, folder: string): Promise<Slot> {
  const name = nameOf(folder);
  const [host, address] = [`10.213.${index}.1`, `10.213.${index}.2`];
  const [subnet, spare] = [`10.214.${index}.0/24`, `10.215.${index}`];
  await ip('netns', 'add', name);
  await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  await ip('addr', 'add', `${host}/30`, 'dev', name);
  await ip('link', 'set', name, 'up');
  await ip('-n', name, 'addr', 'add', `${address}/30`, 'dev', 'eth0');
  await ip('-n', name, 'link', 'set', 'lo', 'up');
  await ip('-n', name, 'link', 'set', 'eth0', 'up');
  for (const network of [subnet, `${spare}.0/24`]) await ip('route', 'add', network, 'via', address);
  return { folder, name, address, subnet, spare, release: () => sweep(folder, name) };
}

/** `…/virtainers-engine-3` -> `vtt3`. */
function nameOf(folder: string): string {
  return `vtt${folder.slice(folder.lastIndexOf('-') + 1)}`;
}

async function ownerLives(folder: string): Promise<boolean> {
  const owner = Number(await readFile(join(folder, 'owner'), 'utf8').catch(() => '0'));
  if (!owner) return false;
  const cmdline = await readFile(`/proc/${owner}/cmdline`, 'utf8').catch(() => '');
  return cmdline.includes('node') || cmdline.includes('vitest');
}

/** Ends what still runs in the slot, then removes its mounts, namespace, user and folder. */
async function sweep(folder: string, name: string): Promise<void> {
  const attempt = { allowFailure: true };
  for (const pid of await processesOf(folder, name)) end(pid);
  const { stdout: table } = await exec('findmnt', ['-rno', 'TARGET'], attempt);
  const mounts = table.split('\n').filter((target) => target.startsWith(`${folder}/`));
  for (const target of mounts.reverse()) await exec('umount', ['-l', target], attempt);
  await exec('ip', ['netns', 'del', name], attempt);
  await exec('ip', ['link', 'del', name], attempt);
  await exec('userdel', ['-f', name], attempt);
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}

async function ip(...args: string[]): Promise<void> {
  await exec('ip', args);
}

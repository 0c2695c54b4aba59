import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
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
  /** The test's host as the engine sees it. */
  readonly host: string;
  /** Subnet of the engine's default network, routed from the host. */
  readonly subnet: string;
  /** The first three numbers of a /24 for a test's own networks, routed from the host too. */
  readonly spare: string;
  release(): Promise<void>;
}

const SLOTS = 64;

/** The engine's link to the test's host: eth0 is left to a test that gives it a LAN. */
const UPLINK = 'uplink';

/** Claims the first free slot, after sweeping what killed runs (their owner is gone) left behind in any. */
export async function claimSlot(): Promise<Slot> {
  const indexes = Array.from({ length: SLOTS }, (_, index) => index);
  for (const index of indexes) await sweepIfDead(folderOf(index));
  for (const index of indexes) {
    if (await claim(folderOf(index))) return prepare(index, folderOf(index));
  }
  throw new Error(`all of ${folderOf(0)} to ${SLOTS - 1} are in use`);
}

function folderOf(index: number): string {
  return join(tmpdir(), `virtainers-engine-${index}`);
}

/** A folder appears with its owner in it; renaming onto one that has something in it fails, so one claimant wins. */
async function claim(folder: string): Promise<boolean> {
  const prepared = await mkdtemp(`${folder}-claim-`);
  await writeFile(join(prepared, 'owner'), String(process.pid));
  await chmod(prepared, 0o755);
  const won = await succeeds(rename(prepared, folder));
  if (!won) await rm(prepared, { recursive: true, force: true });
  return won;
}

/** Whoever renames the owner's file away sweeps; others see a slot without owner and leave it alone. */
async function sweepIfDead(folder: string): Promise<void> {
  const file = join(folder, 'owner');
  const owner = Number(await readFile(file, 'utf8').catch(() => '0'));
  if (!owner || (await lives(owner))) return;
  if (await succeeds(rename(file, join(folder, 'swept')))) await sweep(folder, nameOf(folder));
}

function succeeds(operation: Promise<unknown>): Promise<boolean> {
  return operation.then(
    () => true,
    () => false,
  );
}

async function prepare(index: number, folder: string): Promise<Slot> {
  const name = nameOf(folder);
  const [host, address] = [`10.213.${index}.1`, `10.213.${index}.2`];
  const [subnet, spare] = [`10.214.${index}.0/24`, `10.215.${index}`];
  await ip('netns', 'add', name);
  await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', UPLINK, 'netns', name);
  await ip('addr', 'add', `${host}/30`, 'dev', name);
  await ip('link', 'set', name, 'up');
  await ip('-n', name, 'addr', 'add', `${address}/30`, 'dev', UPLINK);
  await ip('-n', name, 'link', 'set', 'lo', 'up');
  await ip('-n', name, 'link', 'set', UPLINK, 'up');
  // A new namespace has the setting of the machine's first one. Where dockerd has to turn it on, it closes the FORWARD chain too.
  await exec('ip', ['netns', 'exec', name, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  for (const network of [subnet, `${spare}.0/24`]) await ip('route', 'add', network, 'via', address);
  return { folder, name, address, host, subnet, spare, release: () => sweep(folder, name) };
}

/** `…/virtainers-engine-3` -> `vtt3`. */
function nameOf(folder: string): string {
  return `vtt${folder.slice(folder.lastIndexOf('-') + 1)}`;
}

/** A number may have gone to another program meanwhile: tests run in Node. */
async function lives(pid: number): Promise<boolean> {
  return /node|vitest/.test(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
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

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Child, Exec, Spawn } from '@virtainers/core';
import { exec, spawn, waitFor } from './process.ts';
import { tempFolder } from './temp-folder.ts';

/**
 * A container's network without an engine, in network namespaces of its own: `box` has eth0 on a network with a gateway
 * (`lan`), a neighbour that is a DHCP server too, and a guest's place (`guest`) that a cable goes to.
 */
export interface WiredContainer {
  readonly box: Exec;
  readonly lan: Exec;
  readonly neighbour: Exec;
  readonly guest: Exec;
  readonly spawnInBox: Spawn;
  readonly folder: string;
  /** Process in `box`, through whose eyes its /sys is seen. */
  readonly boxPid: number;
  /** Of a namespace, for ip(8). */
  nameOf(place: Place): string;
  /** Runs a program in a namespace until `release`. */
  run(place: Place, file: string, ...args: string[]): Child;
  /** Runs in `box` QEMU without a machine, a cable from the tap (or the node of a macvtap) to eth0 of `guest`. */
  plugIn(end: { readonly tap: string } | { readonly node: string }, mac: string): Promise<void>;
  release(): Promise<void>;
}

const PLACES = ['box', 'lan', 'neighbour', 'guest'] as const;
type Place = (typeof PLACES)[number];

let made = 0;

/** `veth`: as Docker's bridge has it; `macvlan`: as its macvlan network. The network is br0 of `lan`, without addresses. */
export async function wireContainer(kind: 'veth' | 'macvlan'): Promise<WiredContainer> {
  made += 1;
  const mark = `vtw${process.pid}-${made}`;
  const nameOf = (place: Place) => `${mark}-${place}`;
  const inside =
    (place: Place): Exec =>
    (file, args, options) =>
      exec('ip', ['netns', 'exec', nameOf(place), file, ...args], options);
  const running: Child[] = [];
  const run = (place: Place, file: string, ...args: string[]) => {
    const child = spawn('ip', ['netns', 'exec', nameOf(place), file, ...args]);
    child.stdout?.resume();
    running.push(child);
    return child;
  };
  const release = async () => {
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(running.map((child) => child.exited));
    for (const place of PLACES) await exec('ip', ['netns', 'delete', nameOf(place)], { allowFailure: true });
  };
  try {
    for (const place of PLACES) await exec('ip', ['netns', 'add', nameOf(place)]);
    const lan = inside('lan');
    await ip(lan, 'link add br0 type bridge');
    await ip(lan, 'link set br0 up');
    await ip(lan, 'link set lo up');
    await plug(lan, 'np', 'eth0', nameOf('neighbour'));
    await ip(inside('neighbour'), 'link set eth0 up');
    await (kind === 'veth' ? plug(lan, 'bp', 'eth0', nameOf('box')) : plugMacvlan(lan, nameOf('box')));
    await ip(inside('box'), 'link set lo up');
    const idle = run('box', 'sleep', 'infinity');
    const folder = await tempFolder('wired');
    return {
      ...{ box: inside('box'), lan, neighbour: inside('neighbour'), guest: inside('guest'), run, folder, release },
      spawnInBox: (file, args, options) => spawn('ip', ['netns', 'exec', nameOf('box'), file, ...args], options),
      boxPid: idle.pid ?? 0,
      nameOf,
      plugIn: async (end, mac) => {
        const cable = run('box', ...cableCommand(end));
        const lost = cable.exited.then(() => Promise.reject(new Error('the cable ended')));
        lost.catch(() => undefined);
        const cut = () =>
          exec('ip', ['-n', nameOf('box'), 'link', 'set', 'cable', 'netns', nameOf('guest'), 'name', 'eth0']);
        await Promise.race([waitFor('the cable', cut, 20_000), lost]);
        await ip(inside('guest'), `link set eth0 address ${mac} up`);
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Words for ip(8). */
export async function ip(place: Exec, words: string): Promise<string> {
  return (await place('ip', words.split(' '))).stdout;
}

async function plug(lan: Exec, port: string, name: string, namespace: string): Promise<void> {
  await ip(lan, `link add ${port} type veth peer name ${name} netns ${namespace}`);
  await ip(lan, `link set ${port} master br0 up`);
}

async function plugMacvlan(lan: Exec, namespace: string): Promise<void> {
  await ip(lan, 'link add bp type veth peer name parent');
  await ip(lan, 'link set bp master br0 up');
  await ip(lan, 'link set parent up');
  await ip(lan, `link add link parent name eth0 netns ${namespace} type macvlan mode bridge`);
}

function cableCommand(end: { readonly tap: string } | { readonly node: string }): [string, ...string[]] {
  const near = 'tap' in end ? `tap,id=near,ifname=${end.tap},script=no,downscript=no` : 'tap,id=near,fd=3';
  const qemu = [
    ...['qemu-system-x86_64', '-machine', 'none', '-nodefaults', '-display', 'none'],
    ...['-netdev', near, '-netdev', 'hubport,id=a,hubid=0,netdev=near'],
    ...['-netdev', 'tap,id=far,ifname=cable,script=no,downscript=no', '-netdev', 'hubport,id=b,hubid=0,netdev=far'],
  ] as const;
  if ('tap' in end) return [...qemu] as [string, ...string[]];
  return ['bash', '-c', 'exec "$@" 3<>"$0"', end.node, ...qemu];
}

/** What udhcpc was given, by its names. */
export type Lease = Readonly<Record<string, string>>;

/** Asks for a lease as a busybox guest does, and uses it; undefined where nobody answers. */
export async function askForLease({ guest, folder }: WiredContainer): Promise<Lease | undefined> {
  const script = join(folder, 'lease-script');
  const said = join(folder, 'lease');
  await writeFile(said, '');
  await writeFile(script, LEASE_SCRIPT, { mode: 0o755 });
  const options = ['-O', 'mtu', '-O', 'staticroutes', '-O', 'search'];
  const asking = ['udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '4', '-T', '1', '-s', script, ...options];
  await guest('busybox', asking, { env: { LEASE_FILE: said }, allowFailure: true });
  const lines = (await readFile(said, 'utf8')).split('\n').filter((line) => line.includes('='));
  if (lines.length === 0) return undefined;
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** busybox, examples/udhcp: the lease is in the environment. A guest that knows option 121 does not look at option 3. */
const LEASE_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || exit 0
env >"$LEASE_FILE"
ip link set dev eth0 mtu "$mtu"
ip address add "$ip/$mask" broadcast + dev eth0 2>/dev/null || ip address add "$ip/$mask" dev eth0
set -- $staticroutes
while [ $# -ge 2 ]; do
  if [ "$2" = 0.0.0.0 ]; then ip route add "$1" dev eth0; else ip route add "$1" via "$2"; fi
  shift 2
done
`;

/** True where one of a few echo requests is answered. */
export async function pings(from: Exec, address: string): Promise<boolean> {
  const words = ['timeout', '10', 'busybox', 'ping', '-c', '1', '-W', '2', address];
  const attempt = async () => ((await from('env', words, { allowFailure: true })).exitCode === 0 ? true : undefined);
  return waitFor(`an echo of ${address}`, attempt, 6_000).catch(() => false);
}

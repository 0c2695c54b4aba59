import type { Exec } from '@virtainers/core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { clearNetwork, recoverNetwork } from '../../packages/runtime/src/network/apply.ts';
import { chooseNetwork, planNetwork } from '../../packages/runtime/src/network/choose.ts';
import type { ModeName, NetworkPlan, PlannedCommand } from '../../packages/runtime/src/network/mode.ts';
import { type NetworkSnapshot, readSnapshot } from '../../packages/runtime/src/network/snapshot.ts';
import { askFor, requestFor } from '../../packages/runtime/src/testing/networks.ts';
import { requireTool, waitFor } from '../helpers/process.ts';
import { ip, pings, type WiredContainer, wireContainer } from '../helpers/wired-container.ts';

/** A supervisor that is killed leaves its network as it is; in a pod the next one starts in it. */

let wired: WiredContainer;

beforeAll(() => requireTool('ip', 'bridge', 'nft', 'busybox'));

afterEach(() => wired?.release());

const COMBINATIONS = [
  ['bridge', 'veth'],
  ['bridge', 'macvlan'],
  ['macvtap', 'veth'],
  ['macvtap', 'macvlan'],
] as const;

/** Both families, a route by a router of the other one, and one to a gateway that only another route leads to. */
async function podNetwork(kind: 'veth' | 'macvlan'): Promise<void> {
  wired = await wireContainer(kind);
  const { box, lan } = wired;
  await ip(lan, 'address add 10.83.0.1/24 dev br0');
  await ip(box, 'link set eth0 up');
  await ip(box, 'address add 10.83.0.5/24 broadcast + dev eth0');
  await ip(box, 'address add fd83::5/64 dev eth0 nodad');
  await ip(box, 'route add default via 10.83.0.1 metric 100 protocol static');
  await ip(box, 'route add 10.77.0.0/16 via inet6 fd83::1 dev eth0');
  await ip(box, 'route add 169.254.1.1 dev eth0');
  await ip(box, 'route add 10.78.0.0/16 via 169.254.1.1');
  await ip(box, '-6 route add default via fd83::1');
}

function plan(snapshot: NetworkSnapshot, mode: ModeName): NetworkPlan {
  // Docker's resolver: the container keeps a way out, which is the longest of plans.
  const resolver = { nameservers: ['127.0.0.11'], search: [] };
  const request = requestFor({ snapshot: { ...snapshot, resolver }, ask: askFor(mode) });
  const { nics } = chooseNetwork(request);
  return planNetwork({ ...request, nics, macAt: () => '52:54:00:00:00:01', runFolder: '/run' });
}

async function carryOut(box: Exec, commands: readonly PlannedCommand[]): Promise<void> {
  for (const { file, args, input } of commands) await box(file, args, { input });
}

/** As the next start does it, up to its own plan's commands. */
async function startAgain(box: Exec, mode: ModeName): Promise<NetworkPlan> {
  const found = await readSnapshot(box, 'box');
  const links = await recoverNetwork(box, found);
  const snapshot = links.length > 0 ? await readSnapshot(box, 'box') : found;
  const next = plan(snapshot, mode);
  await clearNetwork(box, snapshot, next);
  return next;
}

async function settled(box: Exec): Promise<NetworkSnapshot> {
  const local = async () => (/inet6 fe80/.test(await ip(box, 'address show dev eth0')) ? true : undefined);
  await waitFor('the link-local address', local, 10_000);
  return readSnapshot(box, 'box');
}

const commandsOf = ({ nics }: NetworkPlan) => nics.flatMap(({ commands }) => commands);

test.for(COMBINATIONS)(
  '%s over a %s: killed at any moment, the next start finds the network as the first did',
  async ([mode, kind]) => {
    await podNetwork(kind);
    const { box } = wired;
    const before = await settled(box);
    const first = plan(before, mode);
    const all = commandsOf(first);
    const undos = all.flatMap(({ undo }) => undo ?? []).reverse();
    const lives = [
      ...all.map((_, index) => all.slice(0, index + 1)),
      ...undos.map((_, index) => [...all, ...undos.slice(0, index + 1)]),
    ];
    for (const life of lives) {
      await carryOut(box, life);
      const next = await startAgain(box, mode);
      expect(next, `after ${life.length} commands`).toEqual(first);
      expect(await settled(box)).toEqual(before);
      const left = (await box('nft', ['list', 'tables'])).stdout.trim().split('\n').filter(Boolean);
      // Killed before anything was taken: what is remembered is still right, and the next plan writes it anew.
      expect(left.filter((line) => line !== 'table ip virtainers0_before')).toEqual([]);
    }
    expect(await pings(box, '10.83.0.1')).toBe(true);
  },
);

test.for(COMBINATIONS)('%s over a %s: a start that is killed while it gives back is no worse', async ([mode, kind]) => {
  await podNetwork(kind);
  const { box } = wired;
  const before = await settled(box);
  const first = plan(before, mode);
  for (let survived = 0; survived < 8; survived += 1) {
    await carryOut(box, commandsOf(first));
    let left = survived;
    const dying: Exec = async (file, args, options) => {
      left -= 1;
      if (left < 0) throw new Error('killed');
      return box(file, args, options);
    };
    await recoverNetwork(dying, await readSnapshot(box, 'box')).catch(() => undefined);
    expect(await startAgain(box, mode), `killed after ${survived} commands`).toEqual(first);
    expect(await settled(box)).toEqual(before);
  }
});

test.for(['nat', 'user'] as const)('after a bridge that was killed, %s has the network again', async (mode) => {
  await podNetwork('veth');
  const { box } = wired;
  const before = await settled(box);
  const plain = plan(before, mode);
  await carryOut(box, commandsOf(plan(before, 'bridge')));
  expect(await startAgain(box, mode)).toEqual(plain);
  expect((await ip(box, '-brief link show')).trim().split('\n')).toHaveLength(2);
  expect((await box('nft', ['list', 'ruleset'])).stdout).toBe('');
});

test('a clean end leaves no memory; a start where every interface has its address looks for none', async () => {
  await podNetwork('veth');
  const { box } = wired;
  const before = await settled(box);
  const commands = commandsOf(plan(before, 'macvtap'));
  await carryOut(box, commands);
  expect((await box('nft', ['list', 'ruleset'])).stdout).toContain('virtainers0_before');
  for (const { file, args, input } of commands.flatMap(({ undo }) => undo ?? []).reverse()) {
    await box(file, args, { input, allowFailure: true });
  }
  expect((await box('nft', ['list', 'ruleset'])).stdout).toBe('');
  const untouched: Exec = () => Promise.reject(new Error('something was run'));
  expect(await recoverNetwork(untouched, await settled(box))).toEqual([]);
});

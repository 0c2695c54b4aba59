import { type Exec, makeLog } from '@virtainers/core';
import { applyNetwork } from '../../packages/runtime/src/network/apply.ts';
import { chooseNetwork, planNetwork } from '../../packages/runtime/src/network/choose.ts';
import { type Chain, ip as ipCommand, nftTable } from '../../packages/runtime/src/network/commands.ts';
import type { ModeName, PlannedCommand } from '../../packages/runtime/src/network/mode.ts';
import { readSnapshot } from '../../packages/runtime/src/network/snapshot.ts';
import { askFor, requestFor } from '../../packages/runtime/src/testing/networks.ts';
import { askForLease, ip, type WiredContainer, wireContainer } from '../../test/helpers/wired-container.ts';
import { type Ends, parseReceived } from './iperf3.ts';

/** Two namespaces and what a mode (or nobody) puts between them. No guest, no QEMU: all of it is the kernel's. */
export interface Path extends Ends {
  release(): Promise<void>;
}

const ADDRESS = '10.83.0.5';

/** `bare`: a bridge between the container's interface and the guest's, and no rule at all. */
export async function layPath(between: 'bare' | ModeName): Promise<Path> {
  const wired = await wireContainer('veth');
  const ends = [wired.release];
  const release = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    await addressContainer(wired);
    if (between === 'bare') await bridgeOnly(wired);
    else ends.push(await carryOut(wired, between));
    wired.run('guest', 'iperf3', '--server');
    const received = async (end: 'host' | 'guest') =>
      parseReceived(
        end === 'guest'
          ? await ip(wired.guest, '-json -stats link show dev eth0')
          : await ip(wired.lan, '-json -stats link show dev br0'),
      );
    return { host: wired.lan, address: ADDRESS, received, release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function addressContainer({ box, lan }: WiredContainer): Promise<void> {
  await ip(lan, 'address add 10.83.0.1/24 dev br0');
  await ip(box, 'link set eth0 up');
  await ip(box, `address add ${ADDRESS}/24 broadcast + dev eth0`);
  await ip(box, 'route add default via 10.83.0.1');
  // Engines see to it; a new namespace has what the machine's first one has.
  await box('sysctl', ['--quiet', '--write', 'net.ipv4.ip_forward=1']);
}

async function bridgeOnly({ box, guest, nameOf }: WiredContainer): Promise<void> {
  await ip(box, 'address flush dev eth0');
  await ip(box, 'link add br0 type bridge');
  await ip(box, `link add vm0 type veth peer name eth0 netns ${nameOf('guest')}`);
  for (const port of ['eth0', 'vm0']) await ip(box, `link set ${port} master br0 up`);
  await ip(box, 'link set br0 up');
  await ip(guest, 'link set eth0 up');
  await ip(guest, `address add ${ADDRESS}/24 dev eth0`);
}

/** The mode's own plan, its rules and its DHCP included, but for the device that a QEMU would have to read. Gives its end. */
async function carryOut(wired: WiredContainer, mode: ModeName): Promise<() => Promise<void>> {
  const { box, guest, spawnInBox, folder, nameOf } = wired;
  // As on a network of Docker's, where a takeover has the most rules.
  const resolver = { nameservers: ['127.0.0.11'], search: [] };
  const request = requestFor({ snapshot: { ...(await readSnapshot(box, 'box')), resolver }, ask: askFor(mode) });
  const { nics } = chooseNetwork(request);
  const plan = planNetwork({ ...request, nics, macAt: () => '52:54:00:00:00:01', runFolder: folder });
  const [nic] = plan.nics;
  if (nic?.interface?.kind !== 'tap') throw new Error(`${mode} makes no tap`);
  const cable = ['type', 'veth', 'peer', 'name', 'eth0', 'address', nic.interface.mac, 'netns', nameOf('guest')];
  const commands = nic.commands.map((command) => inKernel(command, cable));
  const own = { ...plan, nics: [{ ...nic, commands, tapNode: undefined }] };
  const { undo } = await applyNetwork(
    box,
    spawnInBox,
    own,
    makeLog(() => {}),
  );
  if (nic.tapNode !== undefined) await plugMacvlan(box, nic.tapNode, cable);
  await ip(guest, 'link set eth0 up');
  const lease = await askForLease(wired);
  if (lease === undefined) throw new Error(`${mode} gave the guest's place no address`);
  // What stands for a guest there knows option 121 alone.
  if (!lease['staticroutes']) await ip(guest, `route add default via ${lease['router']}`);
  return undo;
}

/** A tap is a veth of its name whose other end is the guest's, a macvtap a macvlan: both take the rules that the others take. */
function inKernel(command: PlannedCommand, cable: readonly string[]): PlannedCommand {
  const [object, , , name = ''] = command.args;
  if (object === 'tuntap') return { ...command, ...ipCommand('link', 'add', 'name', name, ...cable) };
  return { ...command, args: command.args.map((word) => (word === 'macvtap' ? 'macvlan' : word)) };
}

/** The mode's rules are bound to the macvlan where it is; behind them its frames go to the guest's place and come from there. */
async function plugMacvlan(box: Exec, device: string, cable: readonly string[]): Promise<void> {
  await box('ip', ['link', 'add', 'name', 'plug', ...cable]);
  await ip(box, 'link set plug up');
  const hook = (from: string, to: string, priority: string): Chain => ({
    ...{ name: `from_${from}`, hook: `hook ingress device "${from}"`, priority },
    ...{ policy: 'accept', rules: [`fwd to "${to}"`] },
  });
  const { file, args, input } = nftTable('netdev', 'plug', [
    hook(device, 'plug', 'filter + 100'),
    hook('plug', device, 'filter'),
  ]);
  await box(file, args, { input });
}

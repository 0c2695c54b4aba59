import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, rootfulPodman } from '../helpers/engines.ts';
import { FAST_OPTIONS } from '../helpers/fast-docker.ts';
import { makePod, type Pod, type Wire } from '../helpers/pod.ts';
import { waitFor } from '../helpers/process.ts';
import { fastImage, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

let podman: Engine;
let image: string;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  podman = await rootfulPodman();
  const fast = await fastImage();
  await podman.load(fast.archive);
  image = fast.reference;
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

afterAll(() => podman?.stop());

async function podWith(wire: Wire): Promise<Pod> {
  const pod = await makePod(podman, wire);
  ends.push(() => pod.end());
  return pod;
}

async function start(pod: Pod, ...options: string[]): Promise<Virtainer> {
  const vm = await startVirtainer(podman, image, [...FAST_OPTIONS, ...pod.options, ...options]);
  ends.push(() => vm.remove());
  return vm;
}

/** The guest's door opens a moment after its agent, by which a guest counts as ready, answers. */
function inGuest(vm: Virtainer, address: string, command: string): Promise<string> {
  return waitFor(command, () => vm.guestAt(address, command), 60_000);
}

const at = (host: number) => `${podman.spare}.${host}`;

const MODES = {
  nat: [],
  bridge: ['-e', 'NETWORK_MODE=bridge'],
  macvtap: ['-e', 'NETWORK_MODE=macvtap', '--privileged'],
} as const;

test.each(Object.entries(MODES))(
  'Kubernetes with Calico, %s: a /32 and a gateway that no prefix has',
  async (mode, options) => {
    const own = at(201);
    const pod = await podWith({ addresses: [`${own}/32`], gateways: ['169.254.1.1'], mtu: 1480 });
    const mac = (await pod.exec('cat', ['/sys/class/net/eth0/address'])).stdout.trim();
    const vm = await start(pod, ...options);
    const { network } = await vm.reached('ready');
    expect(network).toMatchObject({ mode, addresses: [own] });
    const routes = await inGuest(vm, own, 'ip route');
    const seen = await inGuest(
      vm,
      own,
      'ip -o -4 addr show eth0; cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu',
    );
    expect(seen).toMatch(/\n1480\n$/);
    if (mode !== 'nat') {
      expect(seen).toContain(`inet ${own}/32`);
      expect(seen).toContain(`\n${mac}\n`);
      expect(routes).toContain('default via 169.254.1.1 dev eth0');
      expect(routes).toMatch(/^169\.254\.1\.1 dev eth0/m);
    }
    // The node, and what is beyond it.
    await podman.exec('ping', ['-c', '1', '-W', '5', own]);
    expect(await inGuest(vm, own, `ping -c 1 -W 5 ${podman.address}`)).toContain('1 packets received');
    expect(await inGuest(vm, own, `ping -c 1 -W 5 ${podman.host}`)).toContain('1 packets received');
  },
);

test.each([
  { prefix: 8, host: 200, router: 1, mtu: 9000 },
  { prefix: 16, host: 200, router: 1, mtu: 1400 },
  { prefix: 25, host: 200, router: 129, mtu: 1280 },
  { prefix: 30, host: 202, router: 201, mtu: 1500 },
  { prefix: 31, host: 200, router: 201, mtu: 1500 },
])(
  'bridge on a /$prefix, MTU $mtu: address, route and MTU are those of the pod',
  async ({ prefix, host, router, mtu }) => {
    const [own, gateway] = [at(host), at(router)];
    const vm = await start(
      await podWith({ addresses: [`${own}/${prefix}`], gateways: [gateway], mtu }),
      ...['-e', 'NETWORK_MODE=bridge'],
    );
    await vm.reached('ready');
    expect(await inGuest(vm, own, 'ip -o -4 addr show eth0')).toContain(`inet ${own}/${prefix}`);
    expect(await inGuest(vm, own, 'ip route')).toContain(`default via ${gateway} dev eth0`);
    expect(await inGuest(vm, own, 'cat /sys/class/net/eth0/mtu')).toBe(`${mtu}\n`);
    // A packet of the full size passes whole.
    const full = String(mtu - 28);
    await podman.exec('ping', ['-c', '1', '-W', '5', '-M', 'do', '-s', full, own]);
    expect(await inGuest(vm, own, `ping -c 1 -W 5 ${podman.host}`)).toContain('1 packets received');
  },
);

test.each([1280, 9000])('nat, MTU %i: the guest has it, and a packet of the full size passes whole', async (mtu) => {
  const own = at(200);
  const vm = await start(await podWith({ addresses: [`${own}/24`], gateways: [at(1)], mtu }));
  expect((await vm.reached('ready')).network?.mode).toBe('nat');
  expect(await inGuest(vm, own, 'cat /sys/class/net/eth0/mtu')).toBe(`${mtu}\n`);
  await podman.exec('ping', ['-c', '1', '-W', '5', '-M', 'do', '-s', String(mtu - 28), own]);
});

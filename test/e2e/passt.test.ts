import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { freePort } from '../helpers/ports.ts';
import { waitFor } from '../helpers/process.ts';
import { fastImage, RUNTIME, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

const engines = new Map<EngineName, Engine>();
let image: string;
const undos: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const fast = await fastImage();
  image = fast.reference;
  for (const name of ['docker', 'podman'] as const) {
    const engine = await startEngine(name);
    engines.set(name, engine);
    await engine.load(fast.archive);
  }
});

afterEach(async () => {
  for (const undo of undos.splice(0).reverse()) await undo();
});

afterAll(async () => {
  for (const engine of engines.values()) await engine.stop();
});

function engineNamed(name: EngineName): Engine {
  const engine = engines.get(name);
  if (!engine) throw new Error(`${name} is not started`);
  return engine;
}

/** Without capabilities or devices beyond the engine's own. */
async function start(engine: Engine, ...options: string[]): Promise<Virtainer> {
  const virtainer = await startVirtainer(engine, image, ['-e', 'RAM=256', ...options]);
  undos.push(() => virtainer.remove());
  return virtainer;
}

async function network(engine: Engine, name: string, ...options: string[]): Promise<string> {
  await engine.command('network', 'create', ...options, name);
  undos.push(() => engine.command('network', 'rm', name));
  return name;
}

/** A container that is no virtainer. */
async function peer(engine: Engine, ...options: string[]): Promise<string> {
  const name = 'peer';
  await engine.command('run', '-d', '--name', name, ...options, '--entrypoint', 'sleep', image, '600');
  undos.push(() => engine.command('rm', '--force', name));
  return name;
}

/** The guest's door opens a moment after its agent, by which a guest counts as ready, answers. */
function inGuest(vm: Virtainer, address: string, command: string): Promise<string> {
  return waitFor(command, () => vm.guestAt(address, command), 60_000);
}

async function send(address: string, port: number): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.send('anybody?', port, address, () => resolve()));
  socket.close();
}

test("Podman: the guest has the container's address, MTU, resolver and ports below 1024, without a capability", async () => {
  const podman = engineNamed('podman');
  const published = await freePort();
  const subnets = ['--subnet', `${podman.spare}.0/24`, '--ipv6', '--subnet', 'fd00:5:5::/64'];
  const own = await network(podman, 'own', ...subnets, '--opt', 'mtu=1400');
  const other = await peer(podman, '--network', own, '--ip', `${podman.spare}.9`);
  const ports = ['-e', 'PORTS=22,23,80,8000-8001,53/udp,5353/udp', '-p', `${published}:80`];
  const vm = await start(podman, '-e', 'NETWORK_MODE=passt', '--network', own, ...ports);
  const { network: seen } = await vm.reached('ready');
  expect(seen?.mode).toBe('passt');
  const [address = ''] = seen?.addresses ?? [];

  expect(await inGuest(vm, address, 'ip -o -4 addr show eth0')).toContain(`inet ${address}/24`);
  expect(await inGuest(vm, address, 'cat /sys/class/net/eth0/mtu')).toBe('1400\n');
  expect(await inGuest(vm, address, `nslookup ${other}`)).toContain(`${podman.spare}.9`);
  const page = async (host: string, port: number) => {
    const script = `exec 3<>/dev/tcp/${host}/${port}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3`;
    return (await podman.exec('bash', ['-c', script])).stdout;
  };
  expect(await page(podman.address, published)).toContain('200 OK');
  expect(seen?.addresses[1]).toMatch(/^fd00:5:5::/);
  expect(await page(seen?.addresses[1] ?? '', 80)).toContain('200 OK');
  // The guest solicits a router a few seconds after its network is up.
  const advertised = async () => (await inGuest(vm, address, 'ip -o -6 addr')).includes('inet6 fd00:5:5:') || undefined;
  await waitFor('an address of the advertised prefix', advertised, 30_000);
  expect(await vm.run('bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/22; head -n 1 <&3')).toContain('SSH-2.0-fast');

  // Nobody in this guest listens on UDP: the kernel counts what arrives for nobody.
  const arrived = async () =>
    Number((await inGuest(vm, address, "awk '/^Udp: [0-9]/ { print $3 }' /proc/net/snmp")).trim());
  const before = await arrived();
  await send(address, 53);
  await send(address, 5353);
  await waitFor('two datagrams', async () => (await arrived()) >= before + 2 || undefined, 20_000);
});

test('Podman: auto is passt where nat is not to be had; check says so and leaves nothing behind', async () => {
  const podman = engineNamed('podman');
  const checked = await podman.exec('podman', ['run', '--rm', image, 'check']);
  expect(checked.stdout).toContain('network: passt (for nat: add --cap-add NET_ADMIN --device /dev/net/tun)');
  const vm = await start(podman);
  expect((await vm.reached('ready')).network?.mode).toBe('passt');
  const counted = async () =>
    (await vm.run('bash', '-c', 'cat /proc/[0-9]*/comm')).split('\n').filter((name) => name.startsWith('passt')).length;
  const running = await counted();
  expect(running).toBeGreaterThan(0);
  expect(await vm.run('node', RUNTIME, 'check')).toContain('network: passt');
  expect(await counted()).toBe(running);
});

test('NICs of several modes: each has the network that was asked for, the ports are those of the first', async () => {
  const podman = engineNamed('podman');
  // Podman 4.3 hands out eth0, eth1, ... in an order of its own, so that each of the networks must be reachable from here.
  const first = await network(podman, 'first', '--subnet', `${podman.spare}.0/26`);
  const second = await network(podman, 'second', '--subnet', `${podman.spare}.64/26`, '--opt', 'mtu=1300');
  const modes = ['-e', 'NETWORK_MODE=eth0=passt eth1=user eth2=passt'];
  const third = await network(podman, 'third', '--subnet', `${podman.spare}.128/26`);
  const networks = [first, second, third].flatMap((name) => ['--network', name]);
  const vm = await start(podman, ...modes, ...networks, '-e', 'PORTS=23,80');
  const { network: seen } = await vm.reached('ready');
  const links = JSON.parse(await vm.run('ip', '-json', '-4', 'address')) as LinkJson[];
  const reached = seen?.addresses[0] ?? '';
  const inside = await inGuest(vm, reached, 'ip -o -4 addr');
  for (const name of ['eth0', 'eth2']) {
    const [own] = links.find(({ ifname }) => ifname === name)?.addr_info ?? [];
    expect(inside).toMatch(new RegExp(`${name} +inet ${own?.local}/${own?.prefixlen} `));
  }
  expect(inside).toMatch(/eth1 +inet 192\.168\.10\d\.15\/24 /);
  const mtus = links.filter(({ ifname }) => ifname.startsWith('eth')).map(({ ifname, mtu }) => [ifname, mtu]);
  for (const [name, mtu] of mtus) {
    expect(await inGuest(vm, reached, `cat /sys/class/net/${name}/mtu`)).toBe(`${mtu}\n`);
  }
});

interface LinkJson {
  readonly ifname: string;
  readonly mtu: number;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

test('Docker does not let passt make its sandbox: asked for it is refused with what to add, auto takes user and says why', async () => {
  const docker = engineNamed('docker');
  const refused = await docker.exec('docker', ['run', '--rm', '-e', 'NETWORK_MODE=passt', image], {
    allowFailure: true,
  });
  expect(refused.exitCode).toBe(69);
  expect(refused.stderr).toContain('NETWORK_MODE asks for network mode passt, which cannot work in this container');
  expect(refused.stderr).toContain('--security-opt seccomp=unconfined');
  const vm = await start(docker, '-e', 'PORTS=22,53/udp');
  const { network: seen } = await vm.reached('booting');
  expect(seen?.mode).toBe('user');
  expect(await vm.log()).toMatch(/network: user \(for nat: .*; for passt: its sandbox is not allowed/);
});

test("Docker with passt's sandbox allowed: 127.0.0.11 answers container names in the guest", async () => {
  const docker = engineNamed('docker');
  const own = await network(docker, 'own', '--subnet', `${docker.spare}.0/24`);
  const other = await peer(docker, '--network', own, '--ip', `${docker.spare}.9`);
  const vm = await start(docker, '--security-opt', 'seccomp=unconfined', '--network', own, '-e', 'PORTS=23');
  const { network: seen } = await vm.reached('ready');
  expect(seen?.mode).toBe('passt');
  expect(await inGuest(vm, seen?.addresses[0] ?? '', `nslookup ${other}`)).toContain(`${docker.spare}.9`);
});

test('Docker: a client that knocks from the start, and a passt that is killed, take nothing from the guest but seconds', async () => {
  const docker = engineNamed('docker');
  const address = `${docker.spare}.9`;
  const own = await network(docker, 'own', '--subnet', `${docker.spare}.0/24`);
  const knocking = knock(address, 23);
  undos.push(async () => void knocking.stop());
  const vm = await start(
    docker,
    ...['--security-opt', 'seccomp=unconfined', '--network', own, '--ip', address],
    ...['-e', 'NETWORK_MODE=passt', '-e', 'PORTS=23'],
  );
  await vm.reached('ready');
  expect(knocking.stop()).toBeGreaterThan(0);
  const reached = () => inGuest(vm, address, 'ip -o -4 addr show eth0');
  expect(await reached()).toContain(`${address}/24`);
  await vm.run('pkill', '-KILL', 'passt');
  expect(await reached()).toContain(`${address}/24`);
});

/** Connects anew whenever it was refused or let go of; how often it got in. */
function knock(address: string, port: number): { stop(): number } {
  let [stopped, entered] = [false, 0];
  const again = () => {
    if (stopped) return;
    const socket = connect({ host: address, port, timeout: 20 });
    socket.on('connect', () => {
      entered += 1;
    });
    for (const end of ['connect', 'timeout'] as const) socket.on(end, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => setTimeout(again, 5));
  };
  again();
  return {
    stop: () => {
      stopped = true;
      return entered;
    },
  };
}

import { afterAll, beforeAll, test } from 'vitest';
import { type Engine, startDocker } from '../test/helpers/engines.ts';
import { fastCommand } from '../test/helpers/fast-guest.ts';
import { requireTool, waitFor } from '../test/helpers/process.ts';
import { fastImage, RECOMMENDED, startVirtainer, type Virtainer, virtainerNamed } from '../test/helpers/virtainer.ts';
import { printFigures, printRatio, takeTurns } from './figures.ts';
import { bareGuest } from './networks/bare-guest.ts';
import { type Ends, IPERF3_PORT, MEASUREMENTS, parseReceived } from './networks/iperf3.ts';
import { iperf3Seed, SERVE_IPERF3 } from './networks/seed.ts';

const LAN = 'lan0';
const PORTS = ['-e', `PORTS=23,${IPERF3_PORT},${IPERF3_PORT}/udp`];

/** What each mode needs, and no more. */
const NEEDS = {
  nat: RECOMMENDED,
  bridge: RECOMMENDED,
  macvtap: ['--privileged'],
  passt: ['--security-opt', 'seccomp=unconfined', ...PORTS],
  user: PORTS,
} as const;

const MODES = Object.keys(NEEDS) as (keyof typeof NEEDS)[];
type Name = 'bare' | keyof typeof NEEDS;
const ends: (() => Promise<unknown>)[] = [];
let docker: Engine;
let image: string;
let seed: string;

beforeAll(async () => {
  await requireTool('iperf3', 'xorriso', 'dnsmasq', 'ip');
  docker = await startDocker();
  ends.push(docker.stop);
  const { archive, reference } = await fastImage();
  await docker.load(archive);
  image = reference;
  seed = await iperf3Seed();
  const bridge = ['--opt', `com.docker.network.bridge.name=${LAN}`];
  await docker.command('network', 'create', '--subnet', `${docker.spare}.0/24`, ...bridge, 'lan');
  // For the bare guest: nobody else on this network listens to a DHCP server that is not its own.
  const served = addressOf('bare');
  const server = docker.spawn('dnsmasq', [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--leasefile-ro', '--pid-file='],
    ...[`--interface=${LAN}`, '--bind-interfaces', '--dhcp-authoritative', `--dhcp-range=${served},${served},1h`],
  ]);
  ends.push(async () => {
    server.kill('SIGTERM');
    await server.exited;
  });
});

afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An address for each, so that nobody remembers the MAC of the last one that had it. */
function addressOf(name: Name): string {
  return `${docker.spare}.${10 + ['bare', ...MODES].indexOf(name)}`;
}

/** All measurements of one guest, which is started for them: a guest beside it, idle even, can halve what it does. */
async function measureAll(name: Name): Promise<number[]> {
  const address = addressOf(name);
  const guest = await start(name, ['--network', 'lan', '--ip', address, '--volume', `${seed}:/tmp/cloud_init.iso:ro`]);
  try {
    const inGuest = (command: string) => fastCommand(address, 23, command);
    await waitFor(`the guest ${name}`, () => inGuest('true'), 180_000);
    await inGuest(SERVE_IPERF3);
    const received: Ends['received'] = async (end) =>
      end === 'guest'
        ? Number(await inGuest('cat /sys/class/net/eth0/statistics/rx_packets'))
        : parseReceived((await docker.exec('ip', ['-json', '-stats', 'link', 'show', 'dev', LAN])).stdout);
    const figures: number[] = [];
    for (const { measure } of MEASUREMENTS) figures.push(await measure({ host: docker.exec, address, received }));
    return figures;
  } catch (error) {
    throw new Error(`${name}: ${await guest.log()}`, { cause: error });
  } finally {
    await guest.remove();
  }
}

async function start(name: Name, options: readonly string[]): Promise<Virtainer> {
  if (name !== 'bare') {
    const mode = ['-e', 'RAM=256', '-e', `NETWORK_MODE=${name}`, ...NEEDS[name]];
    const guest = await startVirtainer(docker, image, [...options, ...mode]);
    // A connection that comes before QEMU's ends passt, and QEMU takes seconds to find the next one.
    await guest.reached('ready');
    return guest;
  }
  await docker.command(...bareGuest(name, image, options));
  return virtainerNamed(docker, name);
}

test('what a guest gets in each mode, against the same guest in a bare QEMU with a tap on a bridge', async () => {
  const { bare, ...modes } = await takeTurns(['bare', ...MODES], measureAll);
  console.log('\nwith a guest: iperf3 between Docker and each');
  for (const [index, { title, unit }] of MEASUREMENTS.entries()) {
    const of = (rounds: readonly (readonly number[])[]) => rounds.map((figures) => figures[index] ?? Number.NaN);
    printFigures(`a bare tap, ${title}`, of(bare), unit);
    for (const mode of MODES) printRatio(`${mode}, ${title}`, of(modes[mode]), 'of a bare tap', of(bare));
    printRatio(`passt, ${title}`, of(modes.passt), 'of user', of(modes.user));
  }
});

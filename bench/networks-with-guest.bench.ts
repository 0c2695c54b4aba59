import { afterAll, beforeAll, test } from 'vitest';
import { type Engine, startDocker } from '../test/helpers/engines.ts';
import { fastCommand } from '../test/helpers/fast-guest.ts';
import { requireTool, waitFor } from '../test/helpers/process.ts';
import { fastImage, RECOMMENDED, startVirtainer } from '../test/helpers/virtainer.ts';
import { printFigures, printRatio, takeTurns } from './figures.ts';
import { bareGuest } from './networks/bare-guest.ts';
import { type Ends, IPERF3_PORT, MEASUREMENTS, parseReceived, untilServed } from './networks/iperf3.ts';
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
const GUESTS = ['bare', ...MODES] as const;
const guests = new Map<string, Ends>();
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  await requireTool('iperf3', 'xorriso', 'dnsmasq', 'ip');
  const docker = await startDocker();
  ends.push(docker.stop);
  const { archive, reference } = await fastImage();
  await docker.load(archive);
  const lan = ['--subnet', `${docker.spare}.0/24`, '--opt', `com.docker.network.bridge.name=${LAN}`];
  await docker.command('network', 'create', ...lan, 'lan');
  const seed = ['--volume', `${await iperf3Seed()}:/tmp/cloud_init.iso:ro`];
  for (const [index, name] of GUESTS.entries()) {
    const address = `${docker.spare}.${10 + index}`;
    const common = ['--network', 'lan', '--ip', address, ...seed];
    if (name === 'bare') {
      ends.push(giveAddress(docker, address));
      await docker.command(...bareGuest(name, reference, common));
      watch(docker, name);
    } else {
      const mode = ['-e', 'RAM=256', '-e', `NETWORK_MODE=${name}`, ...NEEDS[name]];
      await (await startVirtainer(docker, reference, [...common, ...mode])).reached('ready');
    }
    guests.set(name, await serving(docker, address));
  }
});

afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Says what became of a QEMU that ends before its time. */
function watch(docker: Engine, name: string): void {
  const gone = docker.command('wait', name).then(() => docker.exec('docker', ['logs', '--tail', '20', name]));
  gone.then(({ stderr }) => stderr && console.error(`${name} ended: ${stderr}`)).catch(() => undefined);
}

/** Nobody else on this network listens to its DHCP server. Gives its end. */
function giveAddress(docker: Engine, address: string): () => Promise<void> {
  const server = docker.spawn('dnsmasq', [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--leasefile-ro', '--pid-file='],
    ...[`--interface=${LAN}`, '--bind-interfaces', '--dhcp-authoritative', `--dhcp-range=${address},${address},1h`],
  ]);
  return async () => {
    server.kill('SIGTERM');
    await server.exited;
  };
}

async function serving(docker: Engine, address: string): Promise<Ends> {
  await waitFor(`the guest at ${address}`, () => fastCommand(address, 23, 'true'), 180_000);
  await fastCommand(address, 23, SERVE_IPERF3);
  await untilServed(docker.exec, address);
  const received = async (end: 'host' | 'guest') =>
    end === 'guest'
      ? Number(await fastCommand(address, 23, 'cat /sys/class/net/eth0/statistics/rx_packets'))
      : parseReceived((await docker.exec('ip', ['-json', '-stats', 'link', 'show', 'dev', LAN])).stdout);
  return { host: docker.exec, address, received };
}

test('what a guest gets in each mode, against the same guest in a bare QEMU with a tap on a bridge', async () => {
  console.log('\nwith a guest: iperf3 between Docker and each');
  for (const { title, unit, measure } of MEASUREMENTS) {
    const { bare, ...modes } = await takeTurns(GUESTS, async (name) => {
      const guest = guests.get(name);
      if (!guest) throw new Error(`${name} is not there`);
      return measure(guest);
    });
    printFigures(`a bare tap, ${title}`, bare, unit);
    for (const mode of MODES) printRatio(`${mode}, ${title}`, modes[mode], 'of a bare tap', bare);
    printRatio(`passt, ${title}`, modes.passt, 'of user', modes.user);
  }
});

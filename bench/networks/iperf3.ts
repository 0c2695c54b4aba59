import type { Exec } from '@virtainers/core';
import { waitFor } from '../../test/helpers/process.ts';

/** Where iperf3 listens unless told otherwise, over TCP and UDP. */
export const IPERF3_PORT = 5201;

/** A host, and a guest (or its place) where iperf3 serves. */
export interface Ends {
  readonly host: Exec;
  /** Of the guest, as the host reaches it. */
  readonly address: string;
  /** Packets that an end's interface has received since it exists. */
  received(end: 'host' | 'guest'): Promise<number>;
}

export interface Measurement {
  readonly title: string;
  readonly unit: string;
  measure(ends: Ends): Promise<number>;
}

const SECONDS = 2;

export const MEASUREMENTS: readonly Measurement[] = [
  { title: 'host to guest', unit: 'Gbit/s', measure: (ends) => stream(ends, []) },
  { title: 'guest to host', unit: 'Gbit/s', measure: (ends) => stream(ends, ['--reverse']) },
  { title: 'small packets, host to guest', unit: 'thousand a second', measure: (ends) => packets(ends, 'guest', []) },
  {
    title: 'small packets, guest to host',
    unit: 'thousand a second',
    measure: (ends) => packets(ends, 'host', ['--reverse']),
  },
];

/** By cubic, as guests have it: what the host prefers may pace itself, and hide the path. */
async function stream({ host, address }: Ends, direction: readonly string[]): Promise<number> {
  const { sum_received } = await run(host, address, ['--time', String(SECONDS), '--congestion', 'cubic', ...direction]);
  return (sum_received.bytes * 8) / sum_received.seconds / 1e9;
}

/** As fast as the sender can, counted where the path ends: the program there loses what it is not in time for. */
async function packets({ host, address, received }: Ends, to: 'host' | 'guest', direction: readonly string[]) {
  const before = await received(to);
  const flood = ['--time', String(SECONDS), '--udp', '--bitrate', '0', '--length', '64', ...direction];
  const { sum_sent } = await run(host, address, flood);
  return ((await received(to)) - before) / sum_sent.seconds / 1e3;
}

/** `ip -json -stats link show`, of the first link. */
export function parseReceived(text: string): number {
  return JSON.parse(text)[0].stats64.rx.packets;
}

interface Summary {
  readonly sum_sent: { readonly seconds: number };
  readonly sum_received: { readonly bytes: number; readonly seconds: number };
}

async function run(host: Exec, address: string, args: readonly string[]): Promise<Summary> {
  const common = ['--client', address, '--port', String(IPERF3_PORT), '--json', '--connect-timeout', '5000'];
  // It ends well whatever became of it. The other end says to nobody that it serves, nor that it has done with the last one.
  const attempt = async () => {
    const { end, error } = JSON.parse((await host('iperf3', [...common, ...args], { timeoutMs: 60_000 })).stdout);
    if (error !== undefined) throw new Error(`iperf3 ${args.join(' ')}: ${error}`);
    return end as Summary;
  };
  return waitFor(`iperf3 at ${address}`, attempt, 60_000);
}

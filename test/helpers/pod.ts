import type { Exec } from '@virtainers/core';
import type { Engine } from './engines.ts';

export interface Wire {
  /** `10.0.0.7/32`; the first is the one that the node has a route to. */
  readonly addresses: readonly string[];
  /** Default routes by it; one that lies in no network of the pod is on the link all the same, as Calico's is. */
  readonly gateways: readonly string[];
  readonly mtu?: number;
}

/** A network namespace as a CNI plugin leaves it to the kubelet: eth0 on a wire of its own to the node, which answers for everybody. */
export interface Pod {
  /** What `podman run` is told. */
  readonly options: readonly string[];
  /** The node's end of the wire. */
  readonly wire: string;
  readonly exec: Exec;
  end(): Promise<void>;
}

let count = 0;

/** In an engine that runs as root, whose namespace is the node. */
export async function makePod(engine: Engine, { addresses, gateways, mtu = 1500 }: Wire): Promise<Pod> {
  count += 1;
  const wire = `cali${process.pid}x${count}`;
  const exec: Exec = (file, args, options) => engine.exec('ip', ['netns', 'exec', wire, file, ...args], options);
  const node = (...words: string[]) => engine.exec('ip', words);
  const inside = (...words: string[]) => exec('ip', words);
  await node('netns', 'add', wire);
  await node(
    'link',
    'add',
    wire,
    'mtu',
    String(mtu),
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'mtu',
    String(mtu),
    'netns',
    wire,
  );
  // Where no route leads anywhere the kernel answers for nobody; a node has a way out.
  await node('route', 'replace', 'default', 'via', engine.host);
  await engine.exec('sh', ['-c', `echo 1 > /proc/sys/net/ipv4/conf/${wire}/proxy_arp`]);
  await exec('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  await node('link', 'set', wire, 'up');
  await inside('link', 'set', 'lo', 'up');
  await inside('link', 'set', 'eth0', 'up');
  for (const address of addresses) {
    await inside('address', 'add', address, ...(address.includes(':') ? ['nodad'] : []), 'dev', 'eth0');
    await node('route', 'add', address.replace(/\/.*/, ''), 'dev', wire);
  }
  for (const gateway of gateways) await inside('route', 'add', 'default', 'via', gateway, 'dev', 'eth0', 'onlink');
  return {
    options: ['--network', `ns:/run/netns/${wire}`],
    wire,
    exec,
    end: async () => {
      await node('netns', 'delete', wire);
    },
  };
}

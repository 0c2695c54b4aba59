import type { Exec } from '@virtainers/core';
import type { Engine } from './engines.ts';
import { waitFor } from './process.ts';

/** What a LAN has beside the engine's machine. */
export interface Lan {
  /** Words that run a program on another machine of the LAN, which is also its router, DHCP and DNS server. */
  readonly enter: readonly string[];
  readonly exec: Exec;
  end(): Promise<void>;
}

/** 192.168.1.0/24: the engine's machine is .10 on eth0, the other one .1; DHCP gives .100 to .150. */
export async function makeLan(engine: Engine): Promise<Lan> {
  const serving = [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--pid-file=', '--leasefile-ro', '--no-resolv', '--no-hosts'],
    ...['--bind-dynamic', '--interface=wire', '--dhcp-range=192.168.1.100,192.168.1.150,1h', '--dhcp-authoritative'],
  ];
  const router = engine.spawn('setpriv', ['--pdeathsig', 'TERM', 'unshare', '--net', 'dnsmasq', ...serving], {
    stderr: 'ignore',
  });
  const enter = ['nsenter', `--net=/proc/${router.pid}/ns/net`, '--'];
  const here = (...words: string[]) => engine.exec('ip', words);
  const there = (...words: string[]) => engine.exec('nsenter', [...enter.slice(1), 'ip', ...words]);
  const own = (await engine.exec('readlink', ['/proc/self/ns/net'])).stdout;
  const entered = async () =>
    (await engine.exec('readlink', [`/proc/${router.pid}/ns/net`])).stdout !== own || undefined;
  await waitFor('the namespace of the LAN', entered, 10_000);
  await here('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'wire', 'netns', String(router.pid));
  for (const [ip, device, address] of [
    [here, 'eth0', '192.168.1.10/24'],
    [there, 'wire', '192.168.1.1/24'],
  ] as const) {
    await ip('address', 'add', address, 'broadcast', '+', 'dev', device);
    await ip('link', 'set', device, 'up');
  }
  await here('route', 'add', 'default', 'via', '192.168.1.1');
  return {
    enter,
    exec: (file, args, options) => engine.exec('nsenter', [...enter.slice(1), file, ...args], options),
    end: async () => {
      router.kill('SIGTERM');
      await router.exited;
      // Its namespace, and the wire in it, go when nobody is left there.
      await engine.exec('ip', ['link', 'delete', 'eth0'], { allowFailure: true });
    },
  };
}

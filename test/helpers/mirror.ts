import { connect, createServer } from 'node:net';
import type { Engine } from './engines.ts';
import { spawn } from './process.ts';

const MIRROR = 'deb.debian.org';

/**
 * Debian's mirror for guests of an engine, which has no way out of its own, and for apt beside it: a name server that knows this one
 * name, and a relay to the mirror of this machine, which serves as a proxy too (RFC 9112, 3.2.2), both on the link between the two.
 */
export async function serveMirror({ host }: Engine): Promise<{ end(): Promise<void> }> {
  const words = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--pid-file=',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
  ];
  const answers = [`--listen-address=${host}`, '--except-interface=lo', `--address=/${MIRROR}/${host}`];
  const names = spawn('setpriv', ['--pdeathsig', 'TERM', 'dnsmasq', ...words, ...answers], { stderr: 'ignore' });
  const relay = createServer((guest) => {
    const mirror = connect({ host: MIRROR, port: 80 });
    for (const [from, to] of [
      [guest, mirror],
      [mirror, guest],
    ] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve, reject) => relay.once('error', reject).listen(80, host, resolve));
  return {
    end: async () => {
      relay.close();
      names.kill('SIGTERM');
      await names.exited;
    },
  };
}

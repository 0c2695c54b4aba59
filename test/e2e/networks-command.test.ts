import type { ExecResult } from '@virtainers/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES, type Engine, startEngine } from '../helpers/engines.ts';
import { waitFor } from '../helpers/process.ts';
import { TINY, tinyImage } from '../helpers/tiny-image.ts';
import { COMMAND } from '../helpers/virtainer.ts';

/** The machine's own engines stay out of it: the command asks whichever answers for networks that may be overlapped. */
const NOBODY = { docker: { CONTAINERS_CONF: '/nonexistent' }, podman: { DOCKER_HOST: 'unix:///nonexistent' } };

describe.each(ENGINES)('%s', (name) => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await startEngine(name);
    await engine.load(await tinyImage());
    // What `virtainers run` takes for a virtual machine.
    const changes = ['LABEL io.virtainers.name=stand-in:1', 'CMD ["sleep","600"]'];
    await engine.command('create', '--name', 'template', TINY);
    await engine.command(
      ...['commit', ...changes.flatMap((change) => ['--change', change])],
      ...['template', 'virtainers/stand-in:1'],
    );
  });

  afterAll(() => engine?.stop());

  function virtainers(...args: string[]): Promise<ExecResult> {
    return engine.exec(process.execPath, [COMMAND, ...args], { allowFailure: true, env: NOBODY[engine.kind] });
  }

  async function create(...args: string[]): Promise<string> {
    const result = await virtainers('network', 'create', ...args, '--engine', engine.kind);
    expect(result, result.stderr).toMatchObject({ exitCode: 0 });
    return result.stdout.trim();
  }

  async function refusal(...args: string[]): Promise<string> {
    const result = await virtainers('network', 'create', ...args, '--engine', engine.kind);
    expect(result).toMatchObject({ stdout: '' });
    expect(result.exitCode).toBeGreaterThan(1);
    return result.stderr;
  }

  /** `eth0 10.0.0.9/24`, a line for each address of a container that runs. */
  async function addresses(container: string): Promise<string[]> {
    const lines = (await engine.command('exec', container, 'ip', '-o', '-4', 'addr')).split('\n');
    return lines.flatMap((line) => /\d: (eth\d+) +inet (\S+)/.exec(line)?.slice(1).join(' ') ?? []).sort();
  }

  test('makes a network on free addresses, and a container gets one of them', async () => {
    const subnet = await create('lab');
    expect(subnet).toMatch(/^[\d.]+\.0\/24$/);
    const fixed = subnet.replace('.0/24', '.10');
    await engine.command('run', '--detach', '--name', 'fixed', '--network', 'lab', '--ip', fixed, TINY, 'sleep', '600');
    expect(await addresses('fixed')).toEqual([`eth0 ${fixed}/24`]);
    expect(await engine.command('exec', 'fixed', 'ip', 'route')).toContain(
      `default via ${subnet.replace('.0/24', '.1')}`,
    );
    const label = 'label=io.virtainers.network=1';
    expect(await engine.command('network', 'ls', '--filter', label, '--format', '{{.Name}}')).toBe('lab');
  });

  test('a second one is clear of the first; its range is kept to; IPv6 on request', async () => {
    const first = await create('probe');
    await engine.command('network', 'rm', 'probe');
    const range = first.replace('.0/24', '.128/25');
    const words = ['--subnet', first, '--ip-range', range, '--subnet', 'fd99:1:2:3::/64'];
    const made = JSON.parse(await create('dual', ...words, '--json'));
    expect(made).toMatchObject({
      ...{ name: 'dual', engine: engine.kind, driver: 'bridge' },
      subnets: [
        { subnet: first, ipRange: range, gateway: first.replace('.0/24', '.1') },
        { subnet: 'fd99:1:2:3::/64', gateway: 'fd99:1:2:3::1' },
      ],
    });
    await engine.command('run', '--detach', '--name', 'both', '--network', 'dual', TINY, 'sleep', '600');
    const [own = ''] = await addresses('both');
    expect(Number(/\.(\d+)\/24$/.exec(own)?.[1])).toBeGreaterThanOrEqual(128);
    expect(await engine.command('exec', 'both', 'ip', '-6', 'addr')).toContain('inet6 fd99:1:2:3:');
  });

  test('what is in use is refused, and named', async () => {
    const lab = (await create('other')).replace('.0/24', '.64/26');
    expect(await refusal('again', '--subnet', lab)).toContain(`${lab} overlaps`);
    expect(await refusal('again', '--subnet', lab)).toContain(`${engine.kind}'s network other`);
    expect(await refusal('other')).toContain(`${engine.kind} has a network other already`);
    const own =
      engine.kind === 'docker'
        ? ['bridge', '{{(index .IPAM.Config 0).Subnet}}']
        : ['podman', '{{(index .Subnets 0).Subnet}}'];
    const [network = '', format = ''] = own;
    const taken = await engine.command('network', 'inspect', '--format', format, network);
    expect(await refusal('again', '--subnet', taken)).toMatch(
      new RegExp(`${taken} overlaps ${taken}: ${engine.kind}'s network ${network}`),
    );
    expect(await refusal('again', '--subnet', '127.0.0.0/16')).toContain("127.0.0.0/8: this machine's lo");
    expect(await refusal('again', '--subnet', 'ten', '--gateway', 'eleven')).toMatch(/--subnet: "ten".*\n.*"eleven"/);
  });

  test('run joins several networks; what it prints, pasted, does the same', async () => {
    const subnet = await create('zoo');
    await create('ark');
    const fixed = subnet.replace('.0/24', '.77');
    const networks = ['--network', 'zoo', '--network', 'ark', '--ip', fixed];
    const image = ['stand-in:1', '--engine', engine.kind, ...networks];
    const started = await virtainers('run', ...image, '--name', 'started');
    expect(started, started.stderr).toMatchObject({ exitCode: 0, stdout: 'started\n' });
    const { stdout } = await virtainers('run', ...image, '--name', 'pasted', '--print');
    await engine.command('rm', '--force', ...(engine.kind === 'podman' ? ['--time', '0'] : []), 'started');
    const first = await engine.exec('sh', ['-c', stdout]);
    expect(first.exitCode).toBe(0);
    const seen = await addresses('pasted');
    expect(seen).toHaveLength(2);
    // Docker 20.10 goes by the networks' names, and says so.
    const inOrder = !started.stderr.includes('orders interfaces by the names of their networks (ark, zoo)');
    expect(seen).toContain(`${inOrder ? 'eth0' : 'eth1'} ${fixed}/24`);
    if (engine.kind === 'podman') expect(inOrder).toBe(true);
  });

  test('run refuses an address that the network has not, and a network that is not there', async () => {
    const run = (...args: string[]) => virtainers('run', 'stand-in:1', '--engine', engine.kind, ...args);
    await create('spot');
    const wrong = await run('--network', 'spot', '--ip', '203.0.113.9');
    expect(wrong).toMatchObject({
      exitCode: 64,
      stderr: expect.stringContaining('is not on the network spot, which has'),
    });
    const absent = await run('--network', 'nowhere');
    expect(absent).toMatchObject({
      exitCode: 64,
      stderr: expect.stringContaining('virtainers network create nowhere'),
    });
  });

  if (name === 'podman-rootless') {
    test('a rootless engine has no part in the LAN', async () => {
      expect(await refusal('lan', '--macvlan', 'lo')).toContain('--macvlan: a rootless engine');
    });
    return;
  }

  describe('on a LAN', () => {
    beforeAll(async () => {
      // In the engine's network namespace; it goes with it.
      await engine.exec('ip', ['link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan1']);
      for (const address of ['10.77.0.5/24', '10.78.0.5/24']) {
        await engine.exec('ip', ['address', 'add', address, 'dev', 'lan0']);
      }
      for (const link of ['lan0', 'lan1']) await engine.exec('ip', ['link', 'set', link, 'up']);
      await engine.exec('ip', ['route', 'add', '10.79.0.0/16', 'via', '10.77.0.1']);
    });

    test('a route is in the way, and so is a LAN that was not meant', async () => {
      const route = await refusal('again', '--subnet', '10.79.5.0/24');
      expect(route).toContain('10.79.5.0/24 overlaps 10.79.0.0/16: a route of this machine via 10.77.0.1 on lan0');
      const lan = await refusal('again', '--subnet', '10.77.0.224/27');
      expect(lan).toContain("10.77.0.0/24: this machine's lan0, which has 10.77.0.5");
      expect(lan).toContain('--external');
    });

    test('macvlan: guests have addresses of the LAN and reach each other', async () => {
      expect(await refusal('lan', '--macvlan', 'lan9')).toContain(
        'this machine has no interface lan9; on a network are',
      );
      expect(await create('lan', '--macvlan', 'lan0', '--ip-range', '10.77.0.128/25')).toBe('10.77.0.0/24');
      const on = ['run', '--detach', '--network', 'lan'];
      const serve = 'mkdir /www && echo hello > /www/index.html && exec httpd -f -p 80 -h /www';
      await engine.command(...on, '--name', 'server', '--ip', '10.77.0.200', TINY, 'sh', '-c', serve);
      await engine.command(...on, '--name', 'client', TINY, 'sleep', '600');
      expect(await addresses('server')).toEqual(['eth0 10.77.0.200/24']);
      const [own = ''] = await addresses('client');
      expect(Number(/10\.77\.0\.(\d+)\//.exec(own)?.[1])).toBeGreaterThanOrEqual(128);
      // Without wget: a static one of Debian's crashes.
      const ask = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 10.77.0.200 80";
      const page = await waitFor('the page', () => engine.command('exec', 'client', 'sh', '-c', ask), 20_000);
      expect(page).toMatch(/^HTTP\/1\.. 200 .*hello$/s);
    });

    test('a part of the LAN: Docker makes a bridge for it, Podman says what to do instead', async () => {
      const words = ['ext', '--external', '--subnet', '10.78.0.224/27'];
      if (engine.kind === 'podman') {
        expect(await refusal(...words)).toContain('--macvlan lan0 --ip-range 10.78.0.224/27');
        return;
      }
      const made = JSON.parse(await create(...words, '--json'));
      expect(made.steps.map(({ command }: { command: string }) => command)).toEqual(
        expect.arrayContaining(['ip route add 10.78.0.224/27 via 10.78.0.225']),
      );
      await engine.command('run', '--detach', '--name', 'outside', '--network', 'ext', TINY, 'sleep', '600');
      expect(await addresses('outside')).toEqual(['eth0 10.78.0.226/27']);
    });
  });
});

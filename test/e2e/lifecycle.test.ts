import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, startDocker } from '../helpers/engines.ts';
import { waitFor } from '../helpers/process.ts';
import { fastImage, RECOMMENDED, startVirtainer, type Virtainer, virtainerNamed } from '../helpers/virtainer.ts';

let docker: Engine;
let image: string;
let volumes = 0;
const started: Virtainer[] = [];

beforeAll(async () => {
  docker = await startDocker();
  const fast = await fastImage();
  await docker.load(fast.archive);
  image = fast.reference;
});

afterEach(async () => {
  for (const each of started.splice(0)) await each.remove();
});

afterAll(() => docker?.stop());

async function start(options: readonly string[] = [], args: readonly string[] = []): Promise<Virtainer> {
  const virtainer = await startVirtainer(docker, image, ['-e', 'RAM=256', ...RECOMMENDED, ...options], args);
  started.push(virtainer);
  return virtainer;
}

function freshVolume(): string[] {
  volumes += 1;
  return ['-v', `data${volumes}:/mounted`];
}

test('V2: poweroff in the guest ends the container with 0, and the log says so', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('poweroff -f >/dev/null 2>&1 &');
  expect(await vm.ended()).toBe(0);
  expect(await vm.log()).toContain('virtainers: the guest powered off (exit code 0)');
});

test('a panic ends it with 70', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('sync; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &');
  expect(await vm.ended()).toBe(70);
  expect(await vm.log()).toContain('the guest panicked');
});

test('a reboot stays in the container, and readiness is found again', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('sync; (sleep 1; reboot -f) >/dev/null 2>&1 &');
  await waitFor('the reboot', async () => ((await vm.status()).state === 'booting' ? true : undefined), 30_000);
  await vm.reached('ready');
  expect((await vm.guest('cat /data/boots')).trim()).toBe('2');
  expect(await vm.inspect('{{.State.Running}}')).toBe('true');
});

test('V1: stop within the default 10 s flushes, shuts the guest down and ends with 0', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  await vm.guest('echo unsynced > /data/file');
  await docker.command('stop', vm.name);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
  await docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('cat /data/file')).toBe('unsynced\n');
  expect(await vm.guest('dmesg | grep -c recovery || true')).toBe('0\n');
});

test('with stop -t 1 nothing that was written before is lost, and the next start works', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  await vm.guest('dd if=/dev/urandom of=/data/random bs=64k count=16 2>/dev/null; md5sum /data/random > /data/sum');
  await docker.command('stop', '-t', '1', vm.name);
  await docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('md5sum -c /data/sum')).toContain('OK');
});

test('SIGKILL of the container loses nothing that the guest had flushed', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  await vm.guest('echo kept > /data/file; sync');
  await docker.command('kill', '--signal', 'KILL', vm.name);
  await docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('cat /data/file')).toBe('kept\n');
});

test('V3: restart boots the same machine again: boots count on, the address answers', async () => {
  const vm = await start(freshVolume());
  const before = await vm.reached('ready');
  await docker.command('restart', '-t', '60', vm.name);
  const after = await vm.reached('ready');
  expect(after.since).not.toBe(before.since);
  expect((await vm.guest('cat /data/boots')).trim()).toBe('2');
});

test('a restart policy brings a panicked guest back', async () => {
  const vm = await start(['--restart', 'on-failure:1', ...freshVolume()]);
  await vm.reached('ready');
  await vm.guest('sync; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &');
  const restarted = async () =>
    (await vm.inspect('{{.RestartCount}}')) === '1' && (await vm.status()).state === 'ready';
  await waitFor('the restart', async () => ((await restarted()) ? true : undefined), 120_000);
  expect((await vm.guest('cat /data/boots')).trim()).toBe('2');
});

test('Ctrl-C on the terminal of docker run -it is a stop', async () => {
  const options = ['run', '-it', '--name', 'terminal', '-e', 'RAM=256', ...RECOMMENDED, image];
  const words = ['docker', ...options].join(' ');
  const child = docker.spawn('script', ['--quiet', '--return', '--command', words, '/dev/null'], { stdin: 'pipe' });
  const vm = virtainerNamed(docker, 'terminal');
  started.push(vm);
  await waitFor('the container', async () => (await vm.status()).state, 60_000);
  await vm.reached('ready');
  child.stdin?.write('\x03');
  expect((await child.exited).exitCode).toBe(0);
  expect(await vm.log()).toContain('stop: SIGINT received');
});

test('V19: no zombie is left, and the health check tells', async () => {
  const vm = await start();
  await vm.reached('ready');
  const states = await vm.run('sh', '-c', 'cat /proc/[0-9]*/stat 2>/dev/null | sed "s/.*) //" | cut -c1 | sort | uniq');
  expect(states).not.toContain('Z');
  await waitFor(
    'health',
    async () => ((await vm.inspect('{{.State.Health.Status}}')) === 'healthy' ? true : undefined),
    60_000,
  );
});

test('starting writes nothing into the own layer of the container that grows with the disk', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  const size = Number(await docker.command('inspect', '--size', '--format', '{{.SizeRw}}', vm.name));
  // The base disk alone has 20 MB; what is left is libvirt's state, the seed and the log.
  expect(size).toBeLessThan(2_000_000);
});

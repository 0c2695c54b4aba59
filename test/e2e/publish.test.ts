import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Engine, rootfulPodman } from '../helpers/engines.ts';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { fastGuest } from '../helpers/fast-guest.ts';
import { waitFor } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { COMMAND, RUNTIME, startVirtainer, virtainers } from '../helpers/virtainer.ts';

const MIB = 1024 ** 2;
const fast = fastDocker();
let podman: Engine;
let registry: Registry;
/** Of a machine where nothing was ever baked. */
let emptyCache: string;

beforeAll(async () => {
  registry = await startRegistry({ listen: '0.0.0.0' });
  podman = await rootfulPodman();
  emptyCache = join(await tempFolder('publish'), 'cache');
  const facts = ['--user', 'root', '--osinfo', 'debian12'];
  await virtainers('bake', await fastGuest(), ...facts, '--push', `${registry.address}/team/fast:1`, '--insecure');
});

afterAll(async () => {
  await podman?.stop();
  await registry?.stop();
});

function at(engine: Engine, name: string): string {
  return `${engine.host}:${registry.port}/${name}`;
}

/** `virtainers` of someone who has that engine, and has baked nothing. */
async function command(engine: Engine, name: string, ...words: readonly string[]): Promise<string> {
  const options = ['--cache-dir', emptyCache, '--engine', engine.kind];
  return (await engine.exec(process.execPath, [COMMAND, name, ...words, ...options])).stdout;
}

/** The digest; how much the registry grew, in bytes. */
async function publish(engine: Engine, source: string, name: string): Promise<{ digest: string; sent: number }> {
  const before = await registry.size();
  const stdout = await command(engine, 'publish', source, at(engine, name), '--insecure');
  return { digest: stdout.trim(), sent: (await registry.size()) - before };
}

test('what a machine wrote is published, everything is deleted, and another engine runs it', async () => {
  const { docker } = fast;
  const reference = ['-e', `VIRTAINERS_REFERENCE=${at(docker, 'team/fast:1')}`];
  const vm = await fast.start(['-v', 'published:/mounted', ...reference]);
  await vm.reached('ready');
  await vm.guest(
    'dd if=/dev/urandom of=/data/noise bs=64k count=160 2>/dev/null; md5sum /data/noise > /data/sum; sync',
  );
  await docker.command('stop', vm.name);

  const first = await publish(docker, vm.name, 'me/box:1');
  expect(first.sent).toBeGreaterThan(10 * MIB);
  expect(first.sent).toBeLessThan(16 * MIB);
  const again = await publish(docker, vm.name, 'me/box:again');
  expect(again.digest).toBe(first.digest);
  expect(again.sent).toBeLessThan(16 * 1024);

  await vm.remove();
  await docker.command('volume', 'rm', 'published');
  await docker.command('rmi', '--force', fast.image);

  await podman.command('pull', '--quiet', '--tls-verify=false', at(podman, 'me/box:1'));
  const options = [...FAST_OPTIONS, '-e', 'VERIFY=full', '-v', 'mine:/mounted'];
  const copy = await startVirtainer(podman, at(podman, 'me/box:1'), options);
  await copy.reached('ready');
  expect(await copy.guest('md5sum -c /data/sum')).toContain('OK');
  expect((await copy.guest('cat /data/boots')).trim()).toBe('2');
  const { chain } = JSON.parse(await copy.run('cat', '/mounted/local_image.json'));
  expect(chain.map(({ path }: { path: string }) => path)).toEqual(['/disk/disk.qcow2', '/overlays/1.qcow2']);

  // Whoever reads a copy of the running disk is killed: Podman ends the verb's input too, and the copy goes.
  const reader = podman.spawn('podman', ['exec', '--interactive', copy.name, 'node', RUNTIME, 'copy'], {
    stdin: 'pipe',
  });
  await new Promise<void>((resolve) => reader.stdout?.on('data', (line) => /copied/.test(String(line)) && resolve()));
  expect(await copy.run('ls', '/mounted')).toContain('local_image.copy.qcow2');
  reader.kill('SIGKILL');
  const gone = async () => !(await copy.run('ls', '/mounted')).includes('copy') || undefined;
  await waitFor('the copy to go', gone, 20_000);

  // Nothing says what it was run as; the engine knows where it came from.
  await podman.command('stop', copy.name);
  const second = await publish(podman, copy.name, 'me/box:2');
  expect(second.sent).toBeLessThan(4 * MIB);
  const facts = JSON.parse(await virtainers('inspect', `${registry.address}/me/box:2`, '--insecure', '--json'));
  expect(facts.labels['io.virtainers.overlays'].split(',')).toHaveLength(2);
});

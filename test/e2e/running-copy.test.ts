import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, test } from 'vitest';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { waitFor } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { COMMAND, RUNTIME, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

const fast = fastDocker();
let cache: string;

beforeAll(async () => {
  cache = await tempFolder('running-copy');
});

/** Of Docker's owner. */
async function virtainers(...words: readonly string[]): Promise<string> {
  const { docker } = fast;
  const cacheDir = ['--cache-dir', join(cache, 'cache')];
  return (await docker.exec(process.execPath, [COMMAND, ...words, '--engine', 'docker', ...cacheDir])).stdout.trim();
}

/** A machine that never stops writing: each line of /data/log is on the disk before the next is written. */
async function busyMachine(): Promise<{ vm: Virtainer; data: string }> {
  const data = await fast.docker.folder('running');
  const vm = await fast.start(['-v', `${data}:/mounted`]);
  await vm.reached('ready');
  await vm.guest(
    'dd if=/dev/urandom of=/data/noise bs=64k count=320 2>/dev/null; md5sum /data/noise > /data/sum; sync',
  );
  await vm.guest('(n=0; while :; do n=$((n + 1)); echo $n >> /data/log; sync; done) > /dev/null 2>&1 &');
  return { vm, data };
}

test('a running machine is published as it is at one moment, and runs on; whoever is killed in between leaves it thawed', async () => {
  const { docker } = fast;
  const { vm, data } = await busyMachine();
  const lines = async () => Number(await vm.guest('wc -l < /data/log'));
  const before = await lines();
  const [reference, archive] = ['docker.io/me/live:1', join(cache, 'live.tar')];
  await virtainers('publish', vm.name, reference, '--output', archive);
  const after = await waitFor(
    'the guest to write on',
    async () => ((await lines()) > before ? lines() : undefined),
    20_000,
  );
  expect(await readdir(data)).not.toContain('local_image.copy.qcow2');
  expect(await virtainers('diff', vm.name)).toMatch(/A .*\/noise/);

  // The command is killed while it has the copy: the copy goes, the guest writes on.
  const child = docker.spawn('docker', ['exec', '--interactive', vm.name, 'node', RUNTIME, 'copy'], { stdin: 'pipe' });
  for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
    if (JSON.parse(line).kind === 'copied') break;
  }
  expect(await readdir(data)).toContain('local_image.copy.qcow2');
  await expect(virtainers('publish', vm.name, reference, '--output', archive)).rejects.toThrow(/is being copied/);
  child.kill('SIGKILL');
  await waitFor(
    'the copy to go',
    async () => !(await readdir(data)).includes('local_image.copy.qcow2') || undefined,
    20_000,
  );
  await waitFor('the guest to write on', async () => (await lines()) > after || undefined, 20_000);

  await docker.load(archive);
  const copy = await startVirtainer(docker, reference, [...FAST_OPTIONS, '-e', 'VERIFY=full']);
  try {
    await copy.reached('ready');
    expect(await copy.guest('md5sum -c /data/sum')).toContain('OK');
    // A file system that was frozen needs no journal.
    expect(await copy.guest('dmesg | grep -c recovery || true')).toBe('0\n');
    const held = Number(await copy.guest('wc -l < /data/log'));
    expect(held).toBeGreaterThanOrEqual(before);
    expect(held).toBeLessThanOrEqual(after);
  } finally {
    await copy.remove();
  }
});

test('SIGKILL of the verb while the guest is frozen thaws it, and the next copy is made all the same', async () => {
  const { vm } = await busyMachine();
  const lines = async () => Number(await vm.guest('wc -l < /data/log'));
  // The verb's own guard: frozen by the same program, then killed.
  const script = [
    'virsh() { command virsh --connect qemu:///system "$@"; }',
    `node ${RUNTIME} copy < /dev/zero > /tmp/answer & pid=$!`,
    'until virsh qemu-agent-command vm \'{"execute":"guest-fsfreeze-status"}\' | grep -q frozen; do kill -0 $pid || exit 3; done',
    'kill -KILL $pid; wait $pid',
    'until virsh qemu-agent-command vm \'{"execute":"guest-fsfreeze-status"}\' | grep -q thawed; do :; done',
  ];
  await vm.run('bash', '-c', script.join('\n'));
  const before = await lines();
  await waitFor('the guest to write on', async () => (await lines()) > before || undefined, 20_000);
  const file = join(cache, 'box.virtainer');
  await virtainers('export', vm.name, file);
  await fast.docker.command('kill', '--signal', 'KILL', vm.name);
  await fast.docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('md5sum -c /data/sum')).toContain('OK');
});

test('a copy that has no room in the data folder is refused before it begins', async () => {
  const vm = await fast.start(['--mount', 'type=tmpfs,destination=/mounted,tmpfs-size=48m,tmpfs-mode=0755']);
  await vm.reached('ready');
  await vm.guest('dd if=/dev/urandom of=/data/noise bs=64k count=400 2>/dev/null; sync');
  await expect(virtainers('export', vm.name, join(cache, 'none.virtainer'))).rejects.toThrow(
    /in its data folder.*are free/,
  );
  expect(await vm.run('ls', '/mounted')).not.toContain('copy');
});

import { access, watch } from 'node:fs/promises';
import { basename } from 'node:path';
import { dataPaths, type Snapshot } from '@virtainers/core';
import { expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { exec } from '../helpers/process.ts';
import { COMMAND, throughEngine, type Virtainer } from '../helpers/virtainer.ts';

const fast = fastDocker();

async function snapshot(...words: readonly string[]): Promise<string> {
  const args = [COMMAND, 'snapshot', ...words, '--engine', 'docker'];
  return (await fast.docker.exec(process.execPath, args)).stdout.trim();
}

async function list(vm: Virtainer): Promise<Snapshot[]> {
  return JSON.parse(await snapshot('ls', vm.name, '--json'));
}

/** A file of the guest's disk, and one of its memory. */
async function facts(vm: Virtainer): Promise<string> {
  return (await throughEngine(fast.docker, vm, 'cat /data/state /tmp/state /data/boots')).replaceAll('\n', ' ').trim();
}

const set = (vm: Virtainer, word: string) =>
  vm.guest(`for file in /data/state /tmp/state; do echo ${word} > $file; done; sync`);

async function appears(folder: string, name: string): Promise<void> {
  for await (const { filename } of watch(folder)) if (filename === name) return;
}

async function expectClean(folder: string): Promise<void> {
  const { overlay } = dataPaths(folder);
  const alone = JSON.stringify({ driver: 'qcow2', file: { driver: 'file', filename: overlay }, backing: null });
  await exec('qemu-img', ['check', '-q', `json:${alone}`]);
}

test('a running machine goes back and forth in time, disk and memory; stopped, it goes on from there at its next start', async () => {
  const { docker } = fast;
  const folder = await docker.folder('snapshots');
  const vm = await fast.start(['-v', `${folder}:/mounted`]);
  await vm.reached('ready');

  await set(vm, 'one');
  const { snapshot: first, paused } = JSON.parse(await snapshot('create', vm.name, 'first', '--json'));
  expect(first).toMatchObject({ name: 'first' });
  expect(first.memory).toBeGreaterThan(16 * 1024 ** 2);
  expect(paused).toBeLessThan(20_000);
  await set(vm, 'two');
  expect(JSON.parse(await snapshot('restore', vm.name, 'first', '--json')).kept).toBe('before-first');
  expect(await facts(vm)).toBe('one one 1');
  await snapshot('restore', vm.name, 'before-first', '--discard');
  expect(await facts(vm)).toBe('two two 1');

  await snapshot('create', vm.name, 'disk', '--disk-only');
  await expect(snapshot('restore', vm.name, 'disk')).rejects.toThrow(/of the disk alone/);
  await expect(snapshot('create', vm.name, 'first')).rejects.toThrow(/there is a snapshot first already/);
  await snapshot('rm', vm.name, 'before-first');
  expect((await list(vm)).map(({ name, memory }) => [name, memory > 0])).toEqual([
    ['first', true],
    ['disk', false],
  ]);

  await docker.command('stop', vm.name);
  await snapshot('restore', vm.name, 'first');
  await expectClean(folder);
  await docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.log()).toMatch(/the guest goes on from the snapshot first[\s\S]*the guest's clock is set/);
  expect(await facts(vm)).toBe('one one 1');

  await docker.command('stop', vm.name);
  await snapshot('restore', vm.name, 'disk', '--discard');
  await docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await throughEngine(docker, vm, 'cat /data/state /data/boots')).toBe('two\n2\n');

  // Memory of another machine than this one.
  await docker.command('stop', vm.name);
  await snapshot('restore', vm.name, 'first', '--discard');
  await vm.remove();
  const larger = await fast.start(['-e', 'RAM=320', '-v', `${folder}:/mounted`]);
  await larger.reached('ready');
  expect(await larger.log()).toMatch(/snapshot first cannot be resumed.*RAM: kept with 256 MiB, now 320 MiB/);
  expect(await throughEngine(docker, larger, 'cat /data/state /data/boots')).toBe('one\n2\n');
  await set(larger, 'three');
  // While it runs nothing goes back at all.
  await expect(snapshot('restore', larger.name, 'first')).rejects.toThrow(/RAM: kept with 256 MiB, now 320 MiB/);
  expect(await facts(larger)).toBe('three three 2');
  expect((await list(larger)).map(({ name }) => name)).not.toContain('before-first-2');
});

test('SIGKILL of the container while a snapshot is made, restored or removed loses nothing; the next start works', async () => {
  const { docker } = fast;
  const folder = await docker.folder('killed');
  const vm = await fast.start(['-v', `${folder}:/mounted`]);
  await vm.reached('ready');
  await vm.guest('dd if=/dev/urandom of=/data/noise bs=64k count=64 2>/dev/null; md5sum /data/noise > /data/sum; sync');
  await snapshot('create', vm.name, 'first');
  const { changing } = dataPaths(folder);
  const noted = () =>
    access(changing).then(
      () => true,
      () => false,
    );
  for (const words of [
    ['create', 'second'],
    ['restore', 'first'],
    ['rm', 'first'],
  ] as const) {
    const [verb, name] = words;
    // The note is there from just before the first change until just after the last; the kill takes its time.
    const begun = appears(folder, basename(changing));
    const failed = snapshot(verb, vm.name, name).then(
      () => 'done',
      () => 'killed',
    );
    await begun;
    await docker.command('kill', '--signal', 'KILL', vm.name);
    await failed;
    await docker.command('start', vm.name);
    await vm.reached('ready');
    expect(await throughEngine(docker, vm, 'md5sum -c /data/sum')).toContain('OK');
    expect(await noted()).toBe(false);
    await list(vm);
  }
  await docker.command('stop', vm.name);
  await expectClean(folder);
});

import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Snapshot } from '@virtainers/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { COMMAND, fastImage, RECOMMENDED, startVirtainer, throughEngine } from '../helpers/virtainer.ts';

/** Saved memory and snapshots where the person, the engine and libvirt's driver are others than root's Docker, which has tests of its own. */
interface Way {
  readonly title: string;
  readonly options: readonly string[];
}

const TUN: Way = { title: 'NET_ADMIN and tun', options: RECOMMENDED };
const LOCKED: Way = {
  title: '--user 107:107 without any right',
  options: ['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--tmpfs', '/tmp'],
};

describe.each<[EngineName, readonly Way[]]>([
  ['podman', [TUN]],
  ['podman-rootless', [TUN, LOCKED]],
])('%s', (name, ways) => {
  let engine: Engine;
  let image: string;
  let home: string;

  beforeAll(async () => {
    const fast = await fastImage();
    image = fast.reference;
    engine = await startEngine(name);
    await engine.load(fast.archive);
    home = join(await engine.folder('home'), 'person');
    await mkdir(home);
    await chown(home, engine.owner.uid, engine.owner.gid);
  });

  afterAll(() => engine?.stop());

  /** The command, as the engine's owner. */
  const snapshot = async (...words: readonly string[]): Promise<string> => {
    const args = [COMMAND, 'snapshot', ...words, '--engine', engine.kind];
    return (await engine.exec(process.execPath, args, { cwd: home, env: { HOME: home } })).stdout.trim();
  };

  test.each(ways)('$title: there and back by a snapshot, saved and resumed, and there and back again', async (way) => {
    const settings = ['-e', 'RAM=256', '-e', 'PORTS=22,23', '-e', 'STOP_ACTION=save'];
    const vm = await startVirtainer(engine, image, [...settings, '-v', '/mounted', ...way.options]);
    const set = (word: string) =>
      throughEngine(engine, vm, `for file in /data/state /tmp/state; do echo ${word} > $file; done; sync`);
    const facts = () => throughEngine(engine, vm, 'echo $(cat /data/state /tmp/state /data/boots)');
    await vm.reached('ready');
    await set('one');
    await snapshot('create', vm.name, 'first');
    await set('two');
    await snapshot('restore', vm.name, 'first');
    expect(await facts()).toBe('one one 1\n');

    await engine.command('stop', '-t', '120', vm.name);
    expect(await vm.log()).toContain("the guest's memory is saved; the next start resumes it (exit code 0)");
    await engine.command('start', vm.name);
    expect((await vm.reached('ready')).resumed).toBe(true);
    expect(await facts()).toBe('one one 1\n');
    await snapshot('restore', vm.name, 'before-first');
    expect(await facts()).toBe('two two 1\n');
    await snapshot('rm', vm.name, 'before-first');
    const left: Snapshot[] = JSON.parse(await snapshot('ls', vm.name, '--json'));
    expect(left.map((each) => each.name)).toEqual(['first', 'before-before-first']);
    await vm.remove();
  });
});

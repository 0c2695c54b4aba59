import { chmod, mkdir, open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecResult } from '@virtainers/core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { loopDevice, nodeFor } from '../helpers/loop-device.ts';
import { exec } from '../helpers/process.ts';
import { COMMAND, fastImage, RUNTIME, throughEngine, type Virtainer, virtainerNamed } from '../helpers/virtainer.ts';

/** Disks that a person gives a machine beside its own: /volumes, /dev/vm, --disk. */
const fast = fastDocker();
const MIB = 1024 ** 2;
const LONG = 'a-name-that-no-serial-has-room-for';
let folder: string;
let device: string;

const at = (name: string) => join(folder, name);

async function raw(path: string, mib: number, text = ''): Promise<void> {
  await writeFile(path, text);
  await truncate(path, mib * MIB);
  await chmod(path, 0o666);
}

async function qcow2(path: string, ...more: string[]): Promise<void> {
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', ...more, path, '16M']);
  await chmod(path, 0o666);
}

beforeAll(async () => {
  folder = await fast.docker.folder('volumes');
  await raw(at('b.raw'), 8);
  await qcow2(at('a.qcow2'));
  await qcow2(at(`${LONG}.qcow2`));
  await writeFile(at('notes.txt'), 'no disk\n');
  const backing = join(await fast.docker.folder('devices'), 'device');
  await raw(backing, 12);
  device = await loopDevice(backing);
  await raw(`${backing}-ro`, 4, 'read this');
});

/** `vdc 16 MiB a rw` for each disk but the machine's own and the seed. */
async function seen(vm: Virtainer, engine: Engine = fast.docker): Promise<string[]> {
  const command = 'cd /sys/block; for d in vd*; do echo "$d $(cat $d/size) $(cat $d/serial) $(cat $d/ro)"; done';
  const lines = (await throughEngine(engine, vm, command)).trim().split('\n');
  return lines.filter((line) => !/^vd[ab] /.test(line));
}

test('files by name, then devices, each with its serial; what is written stays, and read only is read only', async () => {
  const readonly = join(await fast.docker.folder('devices'), 'device-ro');
  const mounts = ['-v', `${folder}:/volumes`, '-v', `${readonly}:/volumes/c.img:ro`, '--device', `${device}:/dev/vm/z`];
  const vm = await fast.start(mounts);
  const { disks } = await vm.reached('ready');
  const serial = disks?.[0]?.serial;
  expect(serial).toMatch(/^a-name-that-[0-9a-f]{8}$/);
  expect(disks?.map(({ target, from, format, size, readonly }) => [target, from, format, size, readonly])).toEqual([
    ['vdc', `/volumes/${LONG}.qcow2`, 'qcow2', 16 * MIB, false],
    ['vdd', '/volumes/a.qcow2', 'qcow2', 16 * MIB, false],
    ['vde', '/volumes/b.raw', 'raw', 8 * MIB, false],
    ['vdf', '/volumes/c.img', 'raw', 4 * MIB, true],
    ['vdg', '/dev/vm/z', 'raw', 12 * MIB, false],
  ]);
  expect(await seen(vm)).toEqual([
    `vdc ${16 * 2048} ${serial} 0`,
    `vdd ${16 * 2048} a 0`,
    `vde ${8 * 2048} b 0`,
    `vdf ${4 * 2048} c 1`,
    `vdg ${12 * 2048} z 0`,
  ]);
  const write = (disk: string) => `printf 'kept on ${disk}' | dd of=/dev/${disk} conv=fsync 2>/dev/null`;
  for (const disk of ['vdc', 'vdd', 'vde', 'vdg']) await vm.guest(write(disk));
  expect(await vm.guest('head -c 9 /dev/vdf')).toBe('read this');
  await expect(vm.guest(write('vdf'))).rejects.toThrow();

  // Beside the machine that has them open, `check` and `xml` tell and change nothing.
  const check = await vm.run('node', RUNTIME, 'check');
  expect(check).toContain('disk vdd: /volumes/a.qcow2 (qcow2, 16 MiB); in the guest /dev/disk/by-id/virtio-a');
  expect(check).toContain('disk vdf: /volumes/c.img (raw, 4 MiB, read only)');
  expect(await vm.run('node', RUNTIME, 'xml')).toContain('<serial>z</serial>');

  const kept = await snapshot(vm, 'memory');
  expect(kept.exitCode).toBe(64);
  expect(kept.said).toContain(
    `it also writes /volumes/${LONG}.qcow2, /volumes/a.qcow2, /volumes/b.raw, /dev/vm/z, which no snapshot holds`,
  );
  expect(kept.said).toContain('--disk-only');
  expect((await snapshot(vm, 'disk', '--disk-only')).exitCode).toBe(0);

  const two = [`${LONG}.qcow2`, 'a.qcow2'].flatMap((name) => ['-v', `${at(name)}:/volumes/${name}`]);
  const second = await refused(...two);
  expect(second.exitCode).toBe(73);
  expect(second.said).toMatch(/opening \/volumes\/a\.qcow2: another virtual machine/);
  expect(second.said).toContain(`opening /volumes/${LONG}.qcow2: another virtual machine`);
  for (const option of [`--volume=${at('b.raw')}:/volumes/b.raw`, `--device=${device}:/dev/vm/z`]) {
    const { exitCode, said } = await refused(option);
    expect(exitCode, said).toBe(73);
    expect(said).toMatch(/opening \/(volumes\/b\.raw|dev\/vm\/z): another virtual machine/);
  }
  await vm.remove();

  const head = async (path: string) => (await readFile(path)).toString('latin1', 0, 11);
  expect(await head(at('b.raw'))).toBe('kept on vde');
  const gid = 6;
  const node = await nodeFor(device, join(await fast.docker.folder('devices'), 'node'), gid);
  const rights = [
    '--user',
    '107:107',
    '--group-add',
    String(gid),
    '--cap-drop',
    'ALL',
    '-v',
    'session:/mounted',
    '-e',
    'PORTS=23',
  ];
  const other = await fast.start([...rights, ...mounts.slice(0, -1), `${node}:/dev/vm/z`]);
  expect((await other.reached('ready')).driver).toBe('session');
  for (const disk of ['vdc', 'vdd', 'vde', 'vdg']) {
    expect(await throughEngine(fast.docker, other, `head -c 11 /dev/${disk}`)).toBe(`kept on ${disk}`);
  }
});

test('the command hands them over, under the names that it is told; a saved guest finds them as it left them, or boots', async () => {
  const own = await fast.docker.folder('command');
  const [disk, films] = [join(own, 'disk.bin'), join(own, 'films.qcow2')];
  await raw(disk, 4);
  await qcow2(films);
  const words = ['--disk', `${disk}:music`, '--disk', `${disk}:again:ro`, '--disk', `${device}:photos:ro`];
  const twice = await command(fast.docker, '--name', 'twice', ...words, '--print');
  expect(twice.stdout).toContain(`--device ${device}:/dev/vm/photos:r `);
  expect(twice.stdout).toContain(`--volume ${disk}:/volumes/music.raw --volume ${disk}:/volumes/again.raw:ro`);
  const all = ['--disk', `${disk}:music`, '--disk', `${films}:films`, '--disk', `${device}:photos:ro`];
  const run = await command(fast.docker, '--name', 'mine', ...all, '--env', 'STOP_ACTION=save');
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
  const vm = fast.adopt('mine');
  const { disks } = await vm.reached('ready');
  expect(disks?.map(({ serial, readonly }) => [serial, readonly])).toEqual([
    ['films', false],
    ['music', false],
    ['photos', true],
  ]);
  expect(await seen(vm)).toEqual([`vdc ${16 * 2048} films 0`, `vdd ${4 * 2048} music 0`, `vde ${12 * 2048} photos 1`]);

  const guest = (line: string) => throughEngine(fast.docker, vm, line);
  const sleep = () => fast.docker.command('stop', '-t', '120', vm.name);
  // Mounted, so that the guest's memory says what is on them.
  await guest(
    'for d in vdc vdd; do mkdir /$d; mke2fs /dev/$d > /dev/null; mount /dev/$d /$d; echo $d > /$d/file; done',
  );
  await sleep();
  await fast.docker.command('start', vm.name);
  expect((await vm.reached('ready')).resumed).toBe(true);
  expect(await guest('echo 3 > /proc/sys/vm/drop_caches; cat /vdc/file /vdd/file')).toBe('vdc\nvdd\n');
  await sleep();
  await exec('touch', [disk]);
  await fast.docker.command('start', vm.name);
  expect((await vm.reached('ready')).resumed).toBeUndefined();
  expect(await vm.log()).toMatch(
    /put aside as [\s\S]*the disk \/volumes\/music\.raw: saved with 4194304 bytes, written at/,
  );
});

describe.each<EngineName>(['podman', 'podman-rootless'])('%s', (name) => {
  test('the command hands files over, and a device where the engine is root', async () => {
    const engine = await startEngine(name);
    try {
      const { archive } = await fastImage();
      await engine.load(archive);
      const place = await engine.folder('disks');
      const [disk, closed] = [join(place, 'disk.bin'), join(place, 'closed.qcow2')];
      await raw(disk, 4);
      await qcow2(closed);
      const rootful = name === 'podman';
      const files = ['--disk', `${disk}:music`, '--disk', `${closed}:photos:ro`];
      const words = [...files, ...(rootful ? ['--disk', `${device}:safe:ro`] : [])];
      const run = await command(engine, '--name', 'mine', ...words);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      const vm = virtainerNamed(engine, 'mine');
      const { disks } = await vm.reached('ready');
      expect(disks?.map(({ serial, format, readonly }) => `${serial} ${format} ${readonly}`)).toEqual([
        'music raw false',
        'photos qcow2 true',
        ...(rootful ? ['safe raw true'] : []),
      ]);
      expect(await seen(vm, engine)).toEqual([
        `vdc ${4 * 2048} music 0`,
        `vdd ${16 * 2048} photos 1`,
        ...(rootful ? [`vde ${12 * 2048} safe 1`] : []),
      ]);
      await throughEngine(engine, vm, 'printf kept | dd of=/dev/vdc conv=fsync 2>/dev/null');
      expect((await readFile(disk)).toString('latin1', 0, 4)).toBe('kept');
    } finally {
      await engine.stop();
    }
  });
});

test('78: everything wrong with them at once, and nothing of theirs is changed', async () => {
  const bad = await fast.docker.folder('bad');
  await qcow2(join(bad, 'chained.qcow2'), '-b', at('a.qcow2'), '-F', 'qcow2', '-u');
  await raw(join(bad, 'lies.qcow2'), 1);
  await qcow2(join(bad, 'lies.raw'));
  await raw(join(bad, 'nothing.img'), 0);
  await raw(join(bad, 'short.img'), 1, '');
  await truncate(join(bad, 'short.img'), 1000);
  await raw(join(bad, 'twin.img'), 1);
  await raw(join(bad, 'twin.raw'), 1);
  await raw(join(bad, 'locked.img'), 1);
  await chmod(join(bad, 'locked.img'), 0o640);
  await mkdir(join(bad, 'folder.img'));
  await exec('qemu-img', ['create', '-q', '-f', 'vmdk', join(bad, 'vmware.img'), '1M']);
  const before = await listing(bad);
  const devices = ['--device', '/dev/null:/dev/vm/null', '--device', `${device}:/dev/vm/root`];
  const { exitCode, said } = await refused('-v', `${bad}:/volumes`, ...devices);
  expect(exitCode).toBe(78);
  for (const line of [
    /chained\.qcow2: it needs ".*a\.qcow2"/,
    /lies\.qcow2: it is raw, whatever its name says \(call it .*lies\.raw/,
    /lies\.raw: it is qcow2, whatever its name says \(call it .*lies\.qcow2/,
    /nothing\.img: it is empty/,
    /short\.img: its 1000 bytes are not whole sectors/,
    /twin\.img and \/volumes\/twin\.raw would both be called twin/,
    /locked\.img: QEMU \(107:107\) may not read it \(owner 0:0, mode 0640\).*setfacl -m u:107:r FILE/,
    /folder\.img: it is a folder/,
    /vmware\.img: it is a VMDK disk/,
    /\/dev\/vm\/null: it is not a block device/,
    /\/dev\/vm\/root: the guest's own disk/,
  ]) {
    expect(said).toMatch(line);
  }
  expect(await listing(bad)).toBe(before);
});

test('65, 73: one thing wrong keeps its own exit code', async () => {
  const alone = await fast.docker.folder('alone');
  await qcow2(join(alone, 'chained.qcow2'), '-b', '/etc/passwd', '-F', 'raw', '-u');
  expect((await refused('-v', `${alone}:/volumes`)).exitCode).toBe(65);
  const shut = await fast.docker.folder('shut');
  await raw(join(shut, 'mine.img'), 1);
  await chmod(join(shut, 'mine.img'), 0o644);
  const { exitCode, said } = await refused('-v', `${shut}:/volumes`);
  expect(exitCode).toBe(73);
  expect(said).toMatch(/may not write it.*mount it :ro/s);
});

test('a broken table is found before the guest starts', async () => {
  const broken = await fast.docker.folder('broken');
  await qcow2(join(broken, 'x.qcow2'));
  // The L1 table's offset (QEMU, docs/interop/qcow2.rst): not on a cluster.
  const file = await open(join(broken, 'x.qcow2'), 'r+');
  await file.write(Buffer.from([0, 0, 0, 0, 0, 0, 0, 7]), 0, 8, 40);
  await file.close();
  expect((await refused('-v', `${broken}:/volumes`)).exitCode).toBe(65);
});

async function refused(...options: string[]): Promise<{ exitCode: number; said: string }> {
  const words = ['run', '--rm', ...FAST_OPTIONS, ...options, fast.image];
  const { exitCode, stderr, stdout } = await fast.docker.exec('docker', words, { allowFailure: true });
  return { exitCode, said: stdout + stderr };
}

async function snapshot(vm: Virtainer, ...words: string[]): Promise<{ exitCode: number; said: string }> {
  const args = [COMMAND, 'snapshot', 'create', vm.name, ...words, '--engine', 'docker'];
  const { exitCode, stderr } = await fast.docker.exec(process.execPath, args, { allowFailure: true });
  return { exitCode, said: stderr };
}

function command(engine: Engine, ...words: string[]): Promise<ExecResult> {
  const run = ['run', 'virtainers/fast:1', '--engine', engine.kind, '--memory', '256', ...words];
  return engine.exec(process.execPath, [COMMAND, ...run], { allowFailure: true });
}

async function listing(path: string): Promise<string> {
  return (await exec('ls', ['-lAn', '--time-style=full-iso', path])).stdout;
}

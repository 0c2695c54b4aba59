import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { exec } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { bakedImage, RECOMMENDED } from '../helpers/virtainer.ts';

/** What must not start says why, with the exit code of the contract, before anything is written. */
const fast = fastDocker();

async function refused(options: readonly string[], args: readonly string[] = [], reference = fast.image) {
  const words = ['run', '--rm', ...options, reference, ...args];
  const { exitCode, stderr, stdout } = await fast.docker.exec('docker', words, { allowFailure: true });
  return { exitCode, said: stdout + stderr };
}

test('78: every bad setting at once, each with its value and what is allowed', async () => {
  const { exitCode, said } = await refused([
    '-e',
    'RAM=lots',
    '-e',
    'CPU=0',
    '-e',
    'NETWORK_MODE=fast',
    '-e',
    'VM_NAME=a b',
  ]);
  expect(exitCode).toBe(78);
  for (const name of ['RAM', 'CPU', 'NETWORK_MODE', 'VM_NAME', 'lots', 'a b']) expect(said).toContain(name);
});

test('78: shared folders that cannot be, all at once; 69: a guest that needs a feature for them', async () => {
  const folder = await fast.docker.folder('shares');
  await writeFile(join(folder, 'file'), '');
  const shares = ['-v', `${folder}:/shares/good`, '-v', `${folder}/file:/shares/file:ro`];
  const { exitCode, said } = await refused([...shares, '-e', 'SHARES=good:/srv gone:/mnt']);
  expect(exitCode).toBe(78);
  expect(said).toContain('SHARES names gone, and there is no /shares/gone');
  expect(said).toContain('/shares/file: a file; only folders can be shared');
  const featureless = await refused(shares.slice(0, 2));
  expect(featureless.exitCode).toBe(69);
  expect(featureless.said).toMatch(
    /a shared folder needs the feature share[\s\S]*--feature share; or, .*OS_VARIANT=linux2022/,
  );
});

test("78: more RAM than the container's limit, both named", async () => {
  const { exitCode, said } = await refused(['-m', '512m', '-e', 'RAM=1G']);
  expect(exitCode).toBe(78);
  expect(said).toMatch(/1 GiB|1024/);
  expect(said).toMatch(/512/);
});

test('64: an argument that is none', async () => {
  expect((await refused([], ['frobnicate'])).exitCode).toBe(64);
  expect((await refused([], ['-m', '2048'])).said).toContain('RAM');
});

test('69: root without capabilities is told to add --user 107:107', async () => {
  const { exitCode, said } = await refused(['--cap-drop', 'ALL']);
  expect(exitCode).toBe(69);
  expect(said).toContain('--user 107:107');
});

test('69: root with a read-only root filesystem is told so too', async () => {
  const { exitCode, said } = await refused(['--read-only', '--tmpfs', '/tmp', ...RECOMMENDED]);
  expect(exitCode).toBe(69);
  expect(said).toContain('--user 107:107');
});

test('69: a mode that the container does not allow says what to add', async () => {
  const { exitCode, said } = await refused(['-e', 'NETWORK_MODE=nat']);
  expect(exitCode).toBe(69);
  expect(said).toContain('--cap-add NET_ADMIN --device /dev/net/tun');
});

test('69: ACCEL=kvm where KVM is useless', async () => {
  const { exitCode, said } = await refused(['-e', 'ACCEL=kvm']);
  expect(exitCode).toBe(69);
  expect(said).toContain('ACCEL=kvm');
});

test('V13: a step that fails ends the container: 73 for a data folder in use, and for one that cannot be written', async () => {
  const vm = await fast.start(['-v', 'busy:/mounted']);
  await vm.reached('ready');
  const second = await refused(['-v', 'busy:/mounted', ...RECOMMENDED]);
  expect(second.exitCode).toBe(73);
  expect(second.said).toContain(await vm.inspect('{{.Config.Hostname}}'));
  await vm.remove();
  const folder = await fast.docker.folder('readonly');
  const third = await refused(['-v', `${folder}:/mounted:ro`]);
  expect(third.exitCode).toBe(73);
});

test('V6: 65 for the overlay of another base, both digests named, nothing written', async () => {
  const vm = await fast.start(['-v', 'other:/mounted']);
  await vm.reached('booting');
  await vm.remove();
  const debian = await bakedImage('debian:13-packages');
  await fast.docker.load(debian.archive);
  const { exitCode, said } = await refused(['-v', 'other:/mounted', ...RECOMMENDED], [], debian.reference);
  expect(exitCode).toBe(65);
  expect(said.match(/sha256:[0-9a-f]{12,}/g)?.length).toBeGreaterThanOrEqual(2);
});

test('an input that the host did not have is a folder, and is named', async () => {
  const folder = join(await tempFolder('inputs'), 'id_rsa.pub');
  await mkdir(folder);
  const { exitCode, said } = await refused(['-v', `${folder}:/tmp/id_rsa.pub:ro`]);
  expect(exitCode).toBe(78);
  expect(said).toContain('/tmp/id_rsa.pub');
});

test('a /dev/kvm that opens and is useless is named, and the guest runs without it', async () => {
  const node = join(await tempFolder('kvm'), 'kvm');
  await exec('mknod', [node, 'c', '10', '232']);
  await chmod(node, 0o666);
  const vm = await fast.start(['--device', `${node}:/dev/kvm`]);
  const { accelerator } = await vm.reached('ready');
  // On a machine whose KVM works this is kvm, and says that code ran in it.
  expect(accelerator?.reason).toMatch(
    accelerator?.kind === 'kvm' ? /a boot sector ran/ : /\/dev\/kvm is there but useless/,
  );
});

test("the host's network namespace is never touched", async () => {
  // Carrier comes and goes with containers of the engine's own bridge; addresses, routes, devices and rules are ours to leave alone.
  const state = async () => {
    const shown: string[] = [];
    for (const args of [['address'], ['route']]) shown.push((await fast.docker.exec('ip', args)).stdout);
    shown.push((await fast.docker.exec('nft', ['list', 'ruleset'])).stdout);
    return shown.map((text) =>
      text.replaceAll(/<[A-Z,_-]*>|state [A-Z]+|linkdown|group default/g, '').replaceAll(/ +/g, ' '),
    );
  };
  const before = await state();
  const vm = await fast.start(['--net=host', '-e', 'PORTS=2299']);
  const { network } = await vm.reached('booting');
  expect(network?.mode).toBe('user');
  expect(await state()).toEqual(before);
  await vm.remove();
  expect((await refused(['--net=host', '-e', 'NETWORK_MODE=nat', ...RECOMMENDED])).exitCode).toBe(69);
});

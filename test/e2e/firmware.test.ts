import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { fastGuest } from '../helpers/fast-guest.ts';
import { exec } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import {
  COMMAND,
  RECOMMENDED,
  startVirtainer,
  throughEngine,
  type Virtainer,
  virtainers,
} from '../helpers/virtainer.ts';

/** UEFI and a TPM, as root with NET_ADMIN and as an ordinary user who may do nothing. */
const fast = fastDocker();
const image = 'virtainers/fast:uefi';
const EFIVARS = '/sys/firmware/efi/efivars';
/** Who owns the data folder, an id that nobody has. */
const PERSON = 4321;
/** EFI_GLOBAL_VARIABLE (UEFI 2.10, 3.3), which only a UEFI that checks has, and one of nobody's. */
const SECURE_BOOT = `${EFIVARS}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
const OURS = `${EFIVARS}/Virtainers-6a3f6c0e-5a52-4bb4-9f5c-7d3a6f9b1a11`;
const EARLIER = OURS.replace('Virtainers', 'Earlier');
const LATER = OURS.replace('Virtainers', 'Later');

beforeAll(async () => {
  const archive = join(await tempFolder('firmware'), 'fast.tar');
  const facts = ['--user', 'root', '--osinfo', 'debian12', '--name', image, '--firmware', 'uefi'];
  await virtainers('bake', await fastGuest(), ...facts, '--output', archive);
  await fast.docker.load(archive);
});

function start(options: readonly string[]): Promise<Virtainer> {
  return startVirtainer(fast.docker, image, options);
}

const guest = (virtainer: Virtainer, command: string) => throughEngine(fast.docker, virtainer, command);

/** Non-volatile, for the boot loader and the system (UEFI 2.10, 8.2). */
const setVariable = (path: string, value: string) => `printf '\\007\\000\\000\\000${value}' > ${path}`;

/** A command of the TPM in hex, and its answer. */
function tpm(hex: string): string {
  const bytes = hex.replaceAll(' ', '').replaceAll(/../g, '\\x$&');
  return `exec 3<>/dev/tpm0; printf '${bytes}' >&3; dd bs=4096 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'; exec 3>&-`;
}

/** TPM 2.0, part 3: TPM2_NV_DefineSpace of eight bytes that the owner reads and writes; what the TPM may never forget. */
const define = (index: string) =>
  tpm(`8002 0000002d 0000012a 40000001 00000009 40000009 0000 00 0000 0000 000e ${index} 000b 02020002 0000 0008`);
/** TPM2_GetCapability: which indexes are defined; the emulator's own are others. */
const indexes = tpm('8001 00000016 0000017a 00000001 01500000 00000010');
const [FIRST, SECOND] = ['01500001', '01500002'];
const OWN = /0150000[1-9]/g;

/** With a guest of STOP_ACTION=save that has a TPM or not: a snapshot brings all back that it held, and so does a resume. */
async function keepsMemory(vm: Virtainer, withTpm: boolean): Promise<void> {
  const snapshot = (...words: string[]) =>
    fast.docker.exec(process.execPath, [COMMAND, 'snapshot', ...words, '--engine', 'docker']);
  const expectFirst = async () => {
    expect(await guest(vm, `tail -c +5 ${EARLIER}; ls ${LATER} 2> /dev/null || true`)).toBe('first');
    if (withTpm) expect((await guest(vm, indexes)).match(OWN)).toEqual([FIRST]);
  };
  await guest(vm, setVariable(EARLIER, 'first'));
  if (withTpm) expect(await guest(vm, define(FIRST))).toContain('00000000');
  await snapshot('create', vm.name, 'first');
  await guest(vm, setVariable(LATER, 'later'));
  if (withTpm) {
    await guest(vm, define(SECOND));
    expect((await guest(vm, indexes)).match(OWN)).toEqual([FIRST, SECOND]);
  }
  await snapshot('restore', vm.name, 'first', '--discard');
  await expectFirst();
  await fast.docker.command('stop', '-t', '120', vm.name);
  expect(await vm.log()).toContain("the guest's memory is saved");
  await fast.docker.command('start', vm.name);
  expect((await vm.reached('ready')).resumed).toBe(true);
  await expectFirst();
}

test('as root with NET_ADMIN: what the guest writes into a variable outlives the container', async () => {
  const folder = await fast.docker.folder('firmware');
  await chown(folder, PERSON, PERSON);
  const options = [...FAST_OPTIONS, '-v', `${folder}:/mounted`];
  const first = await start(options);
  await first.reached('ready');
  expect(await first.log()).toContain('firmware: UEFI');
  await guest(first, setVariable(OURS, 'kept'));
  await first.remove();

  const second = await start([...options, '-e', 'TPM=yes', '-e', 'STOP_ACTION=save']);
  await second.reached('ready');
  expect(await guest(second, `tail -c +5 ${OURS}`)).toBe('kept');
  expect(await guest(second, 'cat /sys/class/tpm/tpm0/tpm_version_major')).toBe('2\n');
  const files = (await second.run('ls', '/mounted', '/mounted/local_tpm')).split('\n');
  expect(files).toEqual(expect.arrayContaining(['local_variables.fd', 'tpm2-00.permall']));
  await keepsMemory(second, true);
  const { memories } = JSON.parse(await second.run('cat', '/mounted/local_image.json'));
  expect(memories.first).toMatchObject({ firmware: 'UEFI', devices: expect.stringContaining('tpm0') });
  await fast.docker.command('stop', '-t', '90', second.name);
  // Whoever owns the folder can read, move and delete all of it.
  expect(await strangersIn(folder)).toEqual([]);
  await second.remove();
});

test('as 107:107 without capabilities, its root read-only: UEFI, and a TPM', async () => {
  const nobody = ['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--tmpfs', '/tmp'];
  const settings = ['-e', 'RAM=256', '-e', 'PORTS=22,23', '-e', 'TPM=yes', '-e', 'STOP_ACTION=save'];
  const vm = await start([...nobody, ...settings, '-v', 'nobody:/mounted']);
  await vm.reached('ready');
  expect(await guest(vm, `ls -d ${EFIVARS}/BootOrder-* ${SECURE_BOOT} 2> /dev/null | wc -l`)).toBe('1\n');
  expect(await guest(vm, 'cat /sys/class/tpm/tpm0/tpm_version_major')).toBe('2\n');
  await keepsMemory(vm, true);
  await vm.remove();
});

test('secure boot: what Microsoft and Debian have signed starts, and the guest sees that it was checked', async () => {
  const settings = ['-e', 'RAM=512', '-e', 'SECURE_BOOT=yes', '-e', 'STOP_ACTION=save'];
  const vm = await start([...RECOMMENDED, ...settings, '-v', 'secure:/mounted']);
  await vm.reached('ready');
  // Four bytes of attributes, then the value.
  expect(await guest(vm, `tail -c 1 ${SECURE_BOOT} | od -An -tu1`)).toMatch(/^\s*1\n$/);
  expect((await vm.run('ls', '/mounted')).split('\n')).toContain('local_secure_variables.fd');
  await keepsMemory(vm, false);
  await vm.remove();
});

test('69: an image without the feature names it, and the bake that brings it', async () => {
  for (const wish of ['FIRMWARE=uefi', 'TPM=yes']) {
    const words = ['run', '--rm', ...FAST_OPTIONS, '-e', wish, fast.image];
    const { exitCode, stderr, stdout } = await fast.docker.exec('docker', words, { allowFailure: true });
    expect(exitCode).toBe(69);
    expect(stdout + stderr).toMatch(/needs the feature uefi[\s\S]*virtainers bake \S+ --feature uefi/);
  }
});

test('check says which features there are', async () => {
  const words = ['run', '--rm', ...FAST_OPTIONS, image, 'check'];
  expect((await fast.docker.exec('docker', words)).stdout).toContain('features: uefi');
});

/** Files that the person does not own, or may not read and write. */
async function strangersIn(folder: string): Promise<string[]> {
  const { stdout } = await exec('find', [folder, '!', '(', '-user', String(PERSON), '-perm', '-u+rw', ')']);
  return stdout.split('\n').filter(Boolean);
}

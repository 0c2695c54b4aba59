import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { virtainers } from '../helpers/virtainer.ts';

/** What a layer brings can be run in the image that has it; its libraries are there. */
const FEATURES = ['aarch64', 'rbd', 'share', 'spice', 'uefi'] as const;
const fast = fastDocker();
const image = 'virtainers/generic:features';
let archive: string;
let layers: readonly { name: string; digest: string; size: number }[];

beforeAll(async () => {
  archive = join(await tempFolder('features'), 'generic.tar');
  const words = FEATURES.flatMap((name) => ['--feature', name]);
  const baked = await virtainers('bake', 'generic', ...words, '--name', image, '--output', archive, '--json');
  layers = JSON.parse(baked).layers;
  await fast.docker.load(archive);
});

test('all features together are no larger than the root', () => {
  expect(layers.map(({ name }) => name)).toEqual(['root', ...FEATURES.map((name) => `feature-${name}`), 'disk', 'app']);
  const sum = layers.filter(({ name }) => name.startsWith('feature-')).reduce((total, { size }) => total + size, 0);
  expect(sum).toBeLessThan(layers[0]?.size ?? 0);
});

test('an image says which it has', async () => {
  const facts = JSON.parse(await virtainers('inspect', archive, '--json'));
  expect(facts.features).toEqual(FEATURES);
  expect((await run('ls', '/etc/virtainers/features')).split('\n')).toEqual(FEATURES.map((name) => `${name}.json`));
});

test.for<[string, ...string[]]>([
  ['virtiofsd 1', '/usr/libexec/virtiofsd', '--version'],
  ['TPM emulator version', 'swtpm', '--version'],
  ['TPM emulator setup tool', 'swtpm_setup', '--version'],
  ['certtool', 'certtool', '--version'],
  ['QEMU emulator version', 'qemu-system-aarch64', '--version'],
  ['tls-port=', 'qemu-system-x86_64', '-spice', 'help'],
  // The driver is loaded, and finds nobody to talk to.
  ['error connecting', 'qemu-img', 'info', 'rbd:pool/image'],
  ['CURL', 'qemu-img', 'info', 'https://127.0.0.1:9/disk'],
  ['iSCSI', 'qemu-img', 'info', 'iscsi://127.0.0.1:9/target/1'],
  ['nfs', 'qemu-img', 'info', 'nfs://127.0.0.1/disk'],
  ['Failed to connect', 'qemu-img', 'info', 'ssh://127.0.0.1:9/disk'],
])('%s: %s runs', async ([said, program, ...args]) => {
  expect(await run(program as string, ...args)).toContain(said);
});

test('above a published root a feature is the same layer', async () => {
  const other = await tempFolder('above');
  const words = ['--runtime', archive, '--feature', 'share', '--output', join(other, 'x.tar'), '--json'];
  const baked = JSON.parse(await virtainers('bake', 'generic', ...words));
  expect(baked.layers[1]).toEqual(layers.find(({ name }) => name === 'feature-share'));
});

test('a feature that there is not is refused, with those that there are', async () => {
  const refused = virtainers('bake', 'generic', '--feature', 'telepathy', '--output', 'x.tar');
  await expect(refused).rejects.toThrow(/telepathy[\s\S]*uefi: /);
});

async function run(program: string, ...args: string[]): Promise<string> {
  const words = ['run', '--rm', '--network', 'none', '--entrypoint', program, image, ...args];
  const { stdout, stderr } = await fast.docker.exec('docker', words, { allowFailure: true });
  return (stdout + stderr).trim();
}

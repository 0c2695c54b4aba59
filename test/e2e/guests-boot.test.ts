import { chmod, cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, rootfulPodman } from '../helpers/engines.ts';
import { cacheHome, repository } from '../helpers/folders.ts';
import { readPage } from '../helpers/pages.ts';
import { exec } from '../helpers/process.ts';
import { makeKey, sshInto } from '../helpers/ssh.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { bakedImage, RECOMMENDED, startVirtainer, type Virtainer, virtainers } from '../helpers/virtainer.ts';

/**
 * The Debians that four-ways.test.ts does not start: 11 as it is baked, 12 with what docs/customizing.md puts into it, 13 of arm64
 * in a container of this machine's architecture; whole in scripts/test --soak.
 */
let podman: Engine;
let key: string;
const started: Virtainer[] = [];

beforeAll(async () => {
  podman = await rootfulPodman();
  ({ key } = await makeKey(await tempFolder('guests-boot')));
});

afterEach(async () => {
  for (const vm of started.splice(0)) await vm.remove();
});

afterAll(() => podman?.stop());

async function start(image: string): Promise<(command: string) => Promise<string>> {
  const vm = await startVirtainer(podman, image, [...RECOMMENDED, '-v', `${key}.pub:/tmp/id_rsa.pub:ro`]);
  started.push(vm);
  await vm.reached('ready');
  const host = await vm.inspect('{{.NetworkSettings.IPAddress}}');
  return (command) => sshInto({ host, user: 'debian', key, exec: podman.exec }, command);
}

test('debian:11-packages boots and answers SSH', { timeout: 1_200_000 }, async () => {
  const { archive, reference } = await bakedImage('debian:11-packages');
  await podman.load(archive);
  const guest = await start(reference);
  expect(await guest('cat /etc/debian_version; findmnt -no FSTYPE /')).toMatch(/^11\.\d+\next4$/);
  expect(await guest('apt-get --version')).toMatch(/^apt \d/);
});

const ARM64 = ['--arch', 'arm64', '--platform', 'linux/amd64', '--name', 'virtainers/debian:arm64'];

/** Packages of arm64 are configured by their own programs, one emulated process after another: these, and Python, take most of the time. */
const SLOW = [
  'cloud-init',
  'cloud-guest-utils',
  'fdisk',
  'openssh-server',
  'sudo',
  'systemd-timesyncd',
  'ca-certificates',
  'curl',
];

/** A command whose catalogue has debian:13-packages without those, as debian:13-small. */
async function commandWithSmall(folder: string): Promise<string> {
  const command = join(folder, 'cli');
  for (const name of ['bin', 'dist', 'package.json']) {
    await cp(join(repository, 'packages/cli', name), join(command, name), { recursive: true });
  }
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
  const images = join(command, 'dist/images');
  const lines = (await readFile(join(images, 'debian-13-packages.yaml'), 'utf8')).split('\n');
  const small = lines
    .filter((line) => !line.startsWith('aliases:') && !SLOW.some((name) => line.startsWith(`  - ${name}`)))
    .map((line) => line.replace(/^name: .*/, 'name: debian:13-small'));
  expect(lines.length - small.length).toBe(1 + SLOW.length);
  await writeFile(join(images, 'debian-13-small.yaml'), small.join('\n'));
  return join(command, 'bin/virtainers.mjs');
}

test('a small Debian 13 of arm64 boots by UEFI, and its agent answers', { timeout: 1_800_000 }, async () => {
  const folder = await tempFolder('arm64');
  const [archive, provenance] = [join(folder, 'arm64.tar'), join(folder, 'provenance.json')];
  const words = ['bake', 'debian:13-small', ...ARM64, '--output', archive, '--provenance', provenance];
  await exec(process.execPath, [await commandWithSmall(folder), ...words], { env: { XDG_CACHE_HOME: cacheHome } });
  // What made its EFI system partition is named, too.
  expect(await readFile(provenance, 'utf8')).toContain('"name": "tools-uefi.lock"');
  await podman.load(archive);
  await start('virtainers/debian:arm64');
  const [vm] = started;
  expect(await vm?.log()).toContain('firmware: UEFI');
  const answer = await vm?.run('virsh', '--quiet', 'qemu-agent-command', 'vm', '{"execute":"guest-get-osinfo"}');
  expect(JSON.parse(answer ?? '{}').return).toMatchObject({ machine: 'aarch64', id: 'debian', 'version-id': '13' });
});

if (process.env['VIRTAINERS_SOAK']) {
  test('debian:13-packages of arm64 boots by UEFI and answers SSH', { timeout: 2_400_000 }, async () => {
    const archive = join(await tempFolder('arm64'), 'arm64.tar');
    await virtainers('bake', 'debian:13-packages', ...ARM64, '--output', archive);
    await podman.load(archive);
    const guest = await start('virtainers/debian:arm64');
    expect(await guest('uname -m; cat /etc/debian_version; ls -d /sys/firmware/efi')).toMatch(
      /^aarch64\n13\.\d+\n\/sys\/firmware\/efi$/,
    );
  });
}

test('debian:12-packages has what was put into it, and each machine made from it is new', {
  timeout: 1_800_000,
}, async () => {
  const folder = await tempFolder('web');
  const { files } = await readPage('docs/customizing.md');
  for (const { name, text } of files) await writeFile(join(folder, name), text);
  await chmod(join(folder, 'setup.sh'), 0o755);
  const archive = join(folder, 'web.tar');
  const customize = ['web.yaml', 'cloud.yaml'].flatMap((name) => ['--customize', join(folder, name)]);
  const provenance = join(folder, 'provenance.json');
  const words = ['--name', 'virtainers/web:1', '--output', archive, '--provenance', provenance];
  await virtainers('bake', 'debian:12-packages', ...customize, ...words);
  expect(await readFile(provenance, 'utf8')).toContain('"name": "debian-12-packages.lock"');
  await podman.load(archive);

  const guests = await Promise.all([start('virtainers/web:1'), start('virtainers/web:1')]);
  const identities = await Promise.all(
    guests.map(async (guest) => {
      expect(await guest('cat /etc/debian_version')).toMatch(/^12\./);
      expect(await guest('/usr/local/bin/greet; stat -c %a /usr/local/bin/greet')).toMatch(/^hello from \S+\n755$/);
      expect(await guest('stat -c %U /var/www/html; cat /etc/profile.d/editor.sh')).toBe('www-data\nexport EDITOR=vi');
      // setup.sh took nginx out of the boot, the first boot's command put it back.
      expect(await guest('curl -fsS http://localhost/')).toContain('<h1>baked</h1>');
      const id = await guest('cat /etc/machine-id');
      expect(await guest('sudo cat /var/log/first-boot')).toBe(`first boot of ${id}`);
      return [id, await guest('cat /etc/ssh/ssh_host_ed25519_key.pub'), await guest('cloud-init query instance_id')];
    }),
  );
  for (const [index, first] of (identities[0] ?? []).entries()) expect(first).not.toBe(identities[1]?.[index]);
});

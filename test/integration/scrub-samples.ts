import { chmod, copyFile, mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exec } from '../helpers/process.ts';

const MIB = 1024 ** 2;
export const DISK_SIZE = 96 * MIB;
/** Where the partitions lie: /, /var, a swap, and one that nobody can read. */
export const PARTS = { root: MIB, var: 49 * MIB, swap: 81 * MIB, other: 90 * MIB } as const;
const SIZES = { root: 48 * MIB, var: 32 * MIB, swap: 8 * MIB, other: 4 * MIB } as const;
/** The second is smaller than its partition. */
const FILE_SYSTEMS = { root: SIZES.root, var: 28 * MIB } as const;
/** Where nothing lies: between partitions, and behind them and the file system of /var. */
const NOWHERE = [89 * MIB + 65536, 94 * MIB, 96 * MIB - 128 * 1024, PARTS.var + 30 * MIB];

const VAR_UUID = 'a5a5a5a5-1111-4222-8333-444444444444';

/** What a distro's disk has. */
const BASE: Record<string, string> = {
  'root/etc/fstab': `LABEL=root / ext4 defaults 0 1\nUUID=${VAR_UUID} /var ext4 defaults 0 2\n/swapfile none swap sw 0 0\n`,
  'root/etc/passwd': 'root:x:0:0::/root:/bin/bash\ndebian:x:1000:1000::/home/debian:/bin/bash\n',
  'root/etc/shadow': 'root:*:19000:0:99999:7:::\n',
  'root/etc/machine-id': '',
  'root/home/debian/.profile': '# profile\n',
  'root/root/.profile': '# profile\n',
  'root/root/of-the-base': 'BASE-removed\n',
  'var/lib/cloud/scripts/per-instance/first-boot': '#!/bin/sh\n',
  'var/lib/dpkg/status': 'Package: base\n',
  'var/log/dpkg.log': '',
};

/** What a machine's life adds to it, each with its marker: those that only it may have, */
const PRIVATE: Record<string, string> = {
  'root/etc/machine-id': 'MARKER-machine-id\n',
  'root/etc/ssh/ssh_host_ed25519_key': '-----BEGIN OPENSSH PRIVATE KEY-----\nMARKER-host-key\n',
  'root/root/.bash_history': 'echo MARKER-history\n'.repeat(20),
  'root/home/debian/.python_history': 'print("MARKER-python")\n',
  'root/home/debian/.local/share/fish/fish_history': '- cmd: MARKER-fish\n',
  'var/lib/cloud/instances/i-1/user-data.txt': '#cloud-config\npassword: MARKER-user-data\n',
  'var/lib/cloud/instance-links': 'kept',
  'var/lib/cloud/data/previous-instance-id': 'MARKER-instance-id\n',
  'var/log/auth.log': 'MARKER-auth-log\n'.repeat(500),
  'var/log/journal/abc/system.journal': 'MARKER-journald\n'.repeat(500),
  'var/log/syslog.1.gz': 'MARKER-rotated\n',
};

/** and those that are its owner's work, secrets among them. */
export const KEPT: Record<string, string> = {
  'root/etc/hostname': 'box\n',
  'root/etc/shadow': 'root:*:19000:0:99999:7:::\ndebian:$6$SECRET-hash:19000:0:99999:7:::\n',
  'root/home/debian/note': 'a note\n',
  'root/home/debian/.ssh/id_ed25519': '-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET-key\n',
  'root/home/debian/.ssh/id_ed25519.pub': 'ssh-ed25519 AAAA debian\n',
  'root/home/debian/.aws/credentials': 'SECRET-aws\n',
  'root/home/debian/.npmrc': 'fund=false\n',
  'root/home/debian/app/.env': 'DB_PASSWORD=SECRET-env\n',
  'root/home/debian/app/.env.example': 'DB_PASSWORD=change-me\n',
  'root/etc/ssl/private/site.key': '-----BEGIN PRIVATE KEY-----\nSECRET-tls\n',
  'root/etc/ssl/certs/site.pem': '-----BEGIN CERTIFICATE-----\n',
  'var/lib/dpkg/status': 'Package: base\nPackage: nginx\n',
};

/** A disk with a table and two ext4, in which nothing happened yet. */
export async function makeBaseDisk(path: string, folder: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, DISK_SIZE);
  const rows = Object.entries(PARTS).map(([name, start]) => {
    const type = name === 'swap' ? ', type=swap' : '';
    return `start=${start / 512}, size=${SIZES[name as keyof typeof SIZES] / 512}${type}`;
  });
  await exec('sfdisk', ['--quiet', path], { input: `label: gpt\n${rows.join('\n')}\n` });
  await writeTree(folder, BASE);
  const make = (name: 'root' | 'var', ...words: string[]) =>
    exec('mke2fs', [
      ...['-q', '-t', 'ext4', '-b', '4096', ...words, '-E', `offset=${PARTS[name]}`],
      ...['-d', join(folder, name), path, `${FILE_SYSTEMS[name] / 1024}k`],
    ]);
  await make('root', '-L', 'root');
  await make('var', '-U', VAR_UUID);
  const swap = await makeSwap(join(folder, 'swap'), SIZES.swap);
  await exec('dd', [`if=${swap}`, `of=${path}`, 'conv=notrunc,sparse', 'bs=1M', `seek=${PARTS.swap / MIB}`]);
}

async function makeSwap(path: string, size: number): Promise<string> {
  await writeFile(path, '');
  await truncate(path, size);
  await chmod(path, 0o600);
  await exec('mkswap', [path]);
  return path;
}

/** Does to a copy of such a disk what a machine does in its life. */
export async function live(from: string, to: string, folder: string): Promise<void> {
  await copyFile(from, to);
  const files = { ...PRIVATE, ...KEPT };
  await writeTree(folder, files);
  for (const part of ['root', 'var'] as const) {
    const paths = Object.keys(files).filter((path) => path.startsWith(`${part}/`));
    const commands = paths.flatMap((path) => writing(path.slice(part.length), join(folder, path)));
    await debugfs(to, part, commands);
  }
  await debugfs(to, 'root', ['rm /root/of-the-base']);
  const swapped = join(folder, 'swapped');
  await writeFile(swapped, 'MARKER-swapped\n'.repeat(1000).padStart(131072, '.'));
  await debugfs(to, 'root', [`write ${swapped} /swapfile`]);
  // One that no fstab names.
  const other = await makeSwap(join(folder, 'other-swap'), 256 * 1024);
  await writeFile(other, 'MARKER-swapped-elsewhere\n'.repeat(1000), { flag: 'a' });
  await debugfs(to, 'var', [`write ${other} /swap`]);
  const strange = ['/log/caf\xe8.log.1', '/log/caf\xe9.log.1', '/lib/cloud/instances/caf\xe9'];
  await writeFile(join(folder, 'strange'), 'MARKER-no-utf\n'.repeat(1000));
  await debugfs(
    to,
    'var',
    strange.map((path) => `write ${join(folder, 'strange')} ${path}`),
  );
  // Written and deleted again by the machine itself.
  const deleted = join(folder, 'deleted');
  await writeFile(deleted, 'MARKER-deleted-before\n'.repeat(1000));
  await debugfs(to, 'root', [`write ${deleted} /deleted`, 'rm /deleted']);
  const journal = Number(/\(0-\d+\):(\d+)/.exec(await ask(to, 'root', 'stat <8>'))?.[1]);
  const places = [PARTS.swap + 100 * 4096, PARTS.root + (journal + 20) * 4096, ...NOWHERE];
  const text = join(folder, 'text');
  await writeFile(text, 'MARKER-in-blocks\n'.padEnd(4096, 'x'));
  for (const place of places) {
    await exec('dd', [`if=${text}`, `of=${to}`, 'conv=notrunc', 'bs=4096', `seek=${place / 4096}`]);
  }
}

/** The answer of debugfs(8) to one question. */
export async function ask(disk: string, part: 'root' | 'var', question: string): Promise<string> {
  return (await exec('debugfs', ['-R', question, `${disk}?offset=${PARTS[part]}`])).stdout;
}

export async function debugfs(disk: string, part: 'root' | 'var', commands: readonly string[]): Promise<void> {
  // Names need not be UTF-8.
  const input = Buffer.from(`${commands.join('\n')}\n`, 'latin1');
  await exec('debugfs', ['-w', '-f', '-', `${disk}?offset=${PARTS[part]}`], { input });
}

/** Folders that are there already are no matter to debugfs. */
function writing(path: string, from: string): string[] {
  const folders = path.split('/').slice(1, -1);
  const made = folders.map((_, index) => `mkdir /${folders.slice(0, index + 1).join('/')}`);
  return [...made, `rm ${path}`, `write ${from} ${path}`];
}

async function writeTree(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

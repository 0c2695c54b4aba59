import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../process.ts';

const SOURCE =
  'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main\n';

/** Debian 12's packages, by name, unpacked into `target`; the machine's own package lists stay as they are. */
export async function unpackPackages(names: readonly string[], target: string, scratch: string): Promise<void> {
  const apt = await privateApt(scratch);
  await exec('apt-get', [...apt, 'update'], { cwd: scratch });
  const files = await Promise.all(names.map((name) => download(apt, name, scratch)));
  await mkdir(target, { recursive: true });
  for (const file of files) await exec('dpkg-deb', ['-x', file, target]);
}

/** The package that an empty one stands for: linux-image-cloud-amd64 is always the newest kernel's. */
export async function newestKernel(empty: string, scratch: string): Promise<string> {
  const apt = await privateApt(scratch);
  await exec('apt-get', [...apt, 'update'], { cwd: scratch });
  const { stdout } = await exec('apt-cache', [...apt, 'show', empty], { cwd: scratch });
  const name = /^Depends: (linux-image-\S+)/m.exec(stdout)?.[1];
  if (!name) throw new Error(`no kernel in: ${stdout}`);
  return name;
}

async function download(apt: readonly string[], name: string, scratch: string): Promise<string> {
  const folder = join(scratch, 'download', name);
  await mkdir(folder, { recursive: true });
  await exec('apt-get', [...apt, 'download', name], { cwd: folder });
  const { stdout } = await exec('find', [folder, '-name', '*.deb']);
  return stdout.trim();
}

/** apt.conf(5): lists, cache and status in a folder of our own. */
async function privateApt(scratch: string): Promise<string[]> {
  const folder = join(scratch, 'apt');
  await mkdir(join(folder, 'state', 'lists', 'partial'), { recursive: true });
  await mkdir(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(folder, 'sources.list'), SOURCE);
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'APT::Update::Error-Mode': 'any',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

import { chown } from 'node:fs/promises';
import { afterAll } from 'vitest';
import { exec, requireTool } from './process.ts';

const attached: string[] = [];

afterAll(async () => {
  for (const device of attached) await exec('losetup', ['--detach', device]);
});

/** A block device over a file, until the test file ends; under /dev, where only some may open it. */
export async function loopDevice(file: string): Promise<string> {
  await requireTool('losetup');
  const { stdout } = await exec('losetup', ['--find', '--show', file]);
  const device = stdout.trim();
  attached.push(device);
  return device;
}

/** Another node of it, at `path`, for root and a group. */
export async function nodeFor(device: string, path: string, gid: number): Promise<string> {
  const { stdout } = await exec('stat', ['--format', '%Hr %Lr', device]);
  await exec('mknod', ['--mode=0660', path, 'b', ...stdout.trim().split(' ')]);
  await chown(path, 0, gid);
  return path;
}

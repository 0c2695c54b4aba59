import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { tempFolder } from '../../../../test/helpers/temp-folder.ts';
import { type Child, makeSpawn, type Spawn } from '../exec.ts';
import { lockFile } from './lock.ts';

/** flock(1) that ends at once, as it does where the kernel says no. */
function ending(exitCode: number, complaint: string): Spawn {
  return () => {
    const stderr = new PassThrough();
    const exited = new Promise<Awaited<Child['exited']>>((resolve) => {
      stderr.once('end', () => resolve({ exitCode, signal: null }));
    });
    stderr.end(complaint);
    return { pid: 1, stdin: new PassThrough(), stdout: new PassThrough(), stderr, exited, kill: () => undefined };
  };
}

test('a file system that does not lock (NFS without its lock daemon) is refused with the reason', async () => {
  const lock = lockFile(ending(71, 'flock: /mounted/local_image.lock: No locks available\n'), '/mounted/x', 'box');
  await expect(lock).rejects.toMatchObject({
    code: 'DATA_UNWRITABLE',
    exitCode: 73,
    message: expect.stringContaining('No locks available'),
    hint: expect.stringContaining('a file system with locks'),
  });
});

test('whoever has the lock is named, also by a kernel lock that is held for real', async () => {
  const path = join(await tempFolder('lock'), 'local_image.lock');
  await writeFile(path, '');
  const spawn = makeSpawn();
  const held = await lockFile(spawn, path, 'box-1');
  await expect(lockFile(spawn, path, 'box-2')).rejects.toMatchObject({
    code: 'DATA_IN_USE',
    message: expect.stringContaining('held by box-1'),
  });
  await held.release();
  await (await lockFile(spawn, path, 'box-2')).release();
});

import { copyFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { changes } from '../../packages/builder/src/scrub/changes.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext } from './oci-samples.ts';

const CLUSTER = 64 * 1024;
let ctx: BuildContext;
let before: string;
let after: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'fallocate');
  const folder = await tempFolder('changes');
  ctx = await makeContext(folder);
  [before, after] = [join(folder, 'before.raw'), join(folder, 'after.raw')];
  await writeFile(before, Buffer.alloc(8 * CLUSTER, 'MARKER'));
  await truncate(before, 16 * CLUSTER);
});

async function found() {
  const all = [];
  for await (const { start, length, bytes } of changes(ctx, before, after)) {
    all.push({ start: start / CLUSTER, length: length / CLUSTER, zeros: bytes === undefined });
  }
  return all;
}

// What a file system that compresses does by itself with zeros that are written to it, and e2fsck with those that it writes.
test.each(['--punch-hole', '--zero-range'])('what %s emptied is a change as what was written is', async (how) => {
  await copyFile(before, after);
  await exec('fallocate', [how, '--offset', String(2 * CLUSTER), '--length', String(3 * CLUSTER), after]);
  await exec('dd', ['if=/dev/urandom', `of=${after}`, 'conv=notrunc', `bs=${CLUSTER}`, 'count=1', 'seek=12']);
  expect(await found()).toEqual([
    { start: 2, length: 3, zeros: true },
    { start: 12, length: 1, zeros: false },
  ]);
});

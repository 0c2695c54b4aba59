import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exec, requireTool } from './process.ts';

interface PartitionTable {
  readonly partitiontable: { readonly partitions: readonly { readonly start: number; readonly size: number }[] };
}

/**
 * What e2fsck finds in the largest partition of an overlay whose guest is down; throws when anything is to be repaired.
 * `overlay` and `base` are qcow2 files; the base is opened by its own name, whatever the overlay's header says.
 */
export async function checkFilesystem(overlay: string, base: string): Promise<string> {
  await requireTool('qemu-img', 'sfdisk', 'e2fsck', 'dumpe2fs');
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-test-fsck-'));
  try {
    const raw = join(folder, 'disk.raw');
    await exec('qemu-img', ['convert', '-O', 'raw', `json:${JSON.stringify(chain(overlay, base))}`, raw]);
    const partition = `${raw}?offset=${(await largestPartition(raw)).offset}`;
    const { stdout: header } = await exec('dumpe2fs', ['-h', partition]);
    if (/needs_recovery/.test(header)) throw new Error(`${overlay} was not unmounted:\n${header}`);
    return (await exec('e2fsck', ['-f', '-n', partition])).stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** QEMU's block options (qapi/block-core.json, BlockdevOptionsQcow2). */
function chain(overlay: string, base: string): object {
  const file = (filename: string) => ({ driver: 'file', filename });
  return { driver: 'qcow2', file: file(overlay), backing: { driver: 'qcow2', file: file(base) } };
}

/** The largest partition of a raw disk, in bytes. */
export async function largestPartition(raw: string): Promise<{ offset: number; size: number }> {
  const { stdout } = await exec('sfdisk', ['--json', raw]);
  const { partitions } = (JSON.parse(stdout) as PartitionTable).partitiontable;
  const [largest] = [...partitions].sort((a, b) => b.size - a.size);
  if (!largest) throw new Error(`no partition in ${raw}`);
  return { offset: largest.start * 512, size: largest.size * 512 };
}

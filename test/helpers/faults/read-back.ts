import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chainName, dataPaths } from '@virtainers/core';
import { largestPartition } from '../filesystem.ts';
import { exec, requireTool } from '../process.ts';
import { tempFolder } from '../temp-folder.ts';

/** What a disk holds that nobody uses at the moment. */
export interface ReadBack {
  /** Whole records, numbered from 1 without a gap, each with the right sum. */
  readonly records: number;
  /** Clusters of the qcow2 that nothing uses: room lost, no data. */
  readonly leaks: number;
}

/**
 * Reads the records of a data folder on the host, as a boot would find them: a copy's journal is replayed, then everything must
 * be right. Throws for a damaged qcow2, a file system with errors, a record that is missing or wrong. `base`: the image's disk.
 */
export async function readBack(data: string, base: string): Promise<ReadBack> {
  await requireTool('qemu-img', 'e2fsck', 'debugfs', 'sfdisk');
  const { overlay } = dataPaths(data);
  if (!(await exists(overlay))) return { records: 0, leaks: 0 };
  const scratch = await tempFolder('read-back');
  try {
    const disk = chainName({ path: overlay, format: 'qcow2' }, [{ path: base, format: 'qcow2' }]);
    const leaks = await checkDisk(disk);
    const partition = join(scratch, 'partition.raw');
    await copyPartition(disk, scratch, partition);
    await checkFiles(partition);
    const files = join(scratch, 'files');
    await mkdir(files);
    await exec('debugfs', ['-R', `rdump /records ${files}`, partition]);
    return { records: await countRecords(join(files, 'records')), leaks };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** qemu-img(1), check: 0 all is well, 3 clusters are leaked, which is no damage. */
async function checkDisk(disk: string): Promise<number> {
  const { stdout, exitCode } = await exec('qemu-img', ['check', '--output=json', disk], { allowFailure: true });
  const report = JSON.parse(stdout) as { leaks?: number; corruptions?: number; 'check-errors': number };
  if (![0, 3].includes(exitCode) || report.corruptions || report['check-errors']) {
    throw new Error(`qemu-img check ended with ${exitCode}: ${stdout}`);
  }
  return report.leaks ?? 0;
}

async function copyPartition(disk: string, scratch: string, target: string): Promise<void> {
  const raw = join(scratch, 'disk.raw');
  await exec('qemu-img', ['convert', '-O', 'raw', disk, raw]);
  const part = { driver: 'raw', ...(await largestPartition(raw)), file: { driver: 'file', filename: raw } };
  await exec('qemu-img', ['convert', '-O', 'raw', `json:${JSON.stringify(part)}`, target]);
}

/** e2fsck(8): with -p what a boot does (0 or 1: journal, orphans); then nothing may be left to mend. */
async function checkFiles(partition: string): Promise<void> {
  const replayed = await exec('e2fsck', ['-p', partition], { allowFailure: true });
  if (replayed.exitCode > 1) throw new Error(`e2fsck -p ended with ${replayed.exitCode}:\n${replayed.stdout}`);
  const checked = await exec('e2fsck', ['-f', '-n', partition], { allowFailure: true });
  if (checked.exitCode !== 0) throw new Error(`e2fsck -f -n ended with ${checked.exitCode}:\n${checked.stdout}`);
}

async function countRecords(folder: string): Promise<number> {
  const names = (await exists(folder)) ? await readdir(folder) : [];
  let count = 0;
  for (const name of names.sort((a, b) => Number(a) - Number(b))) {
    // What follows the last line break was never acknowledged.
    for (const line of (await readFile(join(folder, name), 'latin1')).split('\n').slice(0, -1)) {
      count += 1;
      const [number, text = '', sum] = line.split(' ');
      const right = createHash('sha256').update(text).digest('hex');
      if (number === String(count) && sum === right) continue;
      throw new Error(
        `record ${count} in file ${name} is ${JSON.stringify(line.slice(0, 100))}…, ${line.length} bytes`,
      );
    }
  }
  return count;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

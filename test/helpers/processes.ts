import { readdir, readFile, stat } from 'node:fs/promises';

interface Marks {
  /** Inode of the slot's network namespace. */
  readonly network: number | undefined;
  /** Ranges of uids that only this slot's user has. */
  readonly uids: readonly (readonly [first: number, count: number])[];
  readonly folder: string;
}

/** Processes that run in a slot: in its network, as its user (subordinate uids too), or on a root file system in its folder. */
export async function processesOf(folder: string, name: string): Promise<number[]> {
  const network = await stat(`/run/netns/${name}`).then(
    ({ ino }) => ino,
    () => undefined,
  );
  const marks: Marks = { network, uids: await uidsOf(name), folder };
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const belongs = await Promise.all(pids.map((pid) => isMarked(pid, marks)));
  return pids.filter((_, index) => belongs[index]);
}

async function uidsOf(name: string): Promise<(readonly [number, number])[]> {
  const users = fieldsOf(await readFile('/etc/passwd', 'utf8'), name).map((fields) => [Number(fields[2]), 1] as const);
  const ranges = fieldsOf(await readFile('/etc/subuid', 'utf8').catch(() => ''), name);
  return [...users, ...ranges.map(([, first, count]) => [Number(first), Number(count)] as const)];
}

function fieldsOf(table: string, name: string): string[][] {
  const rows = table.split('\n').map((line) => line.split(':'));
  return rows.filter(([first]) => first === name);
}

async function isMarked(pid: number, { network, uids, folder }: Marks): Promise<boolean> {
  try {
    const { uid } = await stat(`/proc/${pid}`);
    if (uids.some(([first, count]) => uid >= first && uid < first + count)) return true;
    if (network !== undefined && (await stat(`/proc/${pid}/ns/net`)).ino === network) return true;
    return rootMount(await readFile(`/proc/${pid}/mountinfo`, 'utf8')).includes(`${folder}/`);
  } catch {
    return false;
  }
}

/** The line of `/` in mountinfo (proc_pid_mountinfo(5)): an overlay names its folders there. */
function rootMount(mountinfo: string): string {
  return mountinfo.split('\n').find((line) => line.split(' ')[4] === '/') ?? '';
}

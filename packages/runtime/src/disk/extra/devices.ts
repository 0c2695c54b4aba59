import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskSerial, type Exec, type VirtainersError } from '@virtainers/core';
import type { ExtraDisk } from '../../guest/disk.ts';
import { qemuCan } from '../data-folder.ts';
import { openAsQemu } from './open-as-qemu.ts';
import { type DiskAsk, type DiskCandidate, diskProblem, namesIn } from './source.ts';

const SECTOR = 512;

/** What the kernel says of a block device. */
interface Device {
  readonly major: number;
  readonly minor: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Bytes. */
  readonly size: number | undefined;
  readonly readonly: boolean;
}

/** `/dev/vm/*` (RancherVM's place), by name. Always raw: whatever a guest writes on a device stays what it wrote. */
export async function deviceDisks(exec: Exec, ask: DiskAsk): Promise<DiskCandidate[]> {
  const names = await namesIn(ask.folders.devices);
  return names.map((name) => {
    const from = join(ask.folders.devices, name);
    return { name, from, examine: () => examine(exec, ask, name, from) };
  });
}

async function examine(exec: Exec, ask: DiskAsk, name: string, from: string): Promise<ExtraDisk> {
  if (name === 'root') {
    const hint = 'give it another name for a disk beside it';
    throw diskProblem('CONFIG_INVALID', from, "the guest's own disk is the overlay in IMAGE_DIR, never a device", hint);
  }
  const device = await readDevice(from);
  if (device.size === 0) throw diskProblem('DISK_REFUSED', from, 'it is a device without a medium');
  const readonly = device.readonly || (await isReadonly(from));
  const reachable = (await qemuCan(exec, 'r', from, ask)) && (readonly || (await qemuCan(exec, 'w', from, ask)));
  if (!reachable && !ask.asRoot) {
    throw forbidden(ask, from, device);
  }
  if (reachable) await openAsQemu(exec, ask, { path: from, format: 'raw' });
  const { major, minor, size } = device;
  const place = reachable
    ? ({ kind: 'block', path: from } as const)
    : ({ kind: 'block', path: join(ask.nodes, name), node: { major, minor } } as const);
  return { name, serial: diskSerial(name), from, place, format: 'raw', size, readonly };
}

function forbidden({ qemu }: DiskAsk, from: string, { uid, gid, mode }: Device): VirtainersError {
  const owner = `owner ${uid}:${gid}, mode 0${(mode & 0o7777).toString(8)}`;
  const group = (mode & 0o060) === 0o060 ? [`run the container with --group-add ${gid}`] : [];
  const hint = [...group, `on the host: setfacl -m u:${qemu.uid}:rw DEVICE`, 'run the container as root'].join('; or ');
  return diskProblem('DATA_UNWRITABLE', from, `QEMU (${qemu.uid}:${qemu.gid}) may not open it (${owner})`, hint);
}

async function readDevice(path: string): Promise<Device> {
  const facts = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw diskProblem('DISK_REFUSED', path, cause.message);
  });
  if (!facts.isBlockDevice()) {
    throw diskProblem('CONFIG_INVALID', path, 'it is not a block device', 'disk files belong in /volumes');
  }
  const [major, minor] = [majorOf(facts.rdev), minorOf(facts.rdev)];
  const about = `/sys/dev/block/${major}:${minor}`;
  const sectors = await readFile(join(about, 'size'), 'utf8').catch(() => undefined);
  const locked = await readFile(join(about, 'ro'), 'utf8').catch(() => '0');
  const size = sectors === undefined ? undefined : Number(sectors.trim()) * SECTOR;
  const { uid, gid, mode } = facts;
  return { major, minor, uid, gid, mode, size, readonly: locked.trim() === '1' };
}

/** `--device HOST:CONTAINER:r`: the container's device rules let it be read alone, which only an attempt shows. */
async function isReadonly(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r+')).close();
    return false;
  } catch (error) {
    return ['EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

/** glibc's makedev(3), bits/sysmacros.h. */
function majorOf(rdev: number): number {
  return Number(((BigInt(rdev) >> 8n) & 0xfffn) | ((BigInt(rdev) >> 32n) & 0xfffff000n));
}

function minorOf(rdev: number): number {
  return Number((BigInt(rdev) & 0xffn) | ((BigInt(rdev) >> 12n) & 0xffffff00n));
}

import { z } from 'zod';
import { chainName } from './chain.ts';
import { diskInUse } from './disk-lock.ts';
import { VirtainersError } from './errors.ts';
import { commandFailed, type Exec, type ExecResult } from './exec.ts';

/** What `qemu-img info --output=json` says that we rely on (qapi/block-core.json, ImageInfo). */
const imageInfo = z.object({
  format: z.string(),
  'virtual-size': z.number(),
  'actual-size': z.number().optional(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  'backing-filename-format': z.string().optional(),
  encrypted: z.boolean().optional(),
  'dirty-flag': z.boolean().optional(),
  'format-specific': z.object({ type: z.string(), data: z.record(z.string(), z.unknown()).optional() }).optional(),
});

export type ImageInfo = z.infer<typeof imageInfo>;

/**
 * qemu-img, each verb with its format named so that nothing is probed. None of them follows a backing
 * file that was not given: whoever calls has read the header (see qcow2.ts) and refused foreign chains.
 */
export interface QemuImg {
  /** `share`: also while a VM has it open (-U). Opens this one file, never its backing. */
  info(path: string, format: string, share?: boolean): Promise<ImageInfo>;
  /** An overlay at `path`; `backing` is recorded as given. `size` in bytes, or the backing's own. */
  createOverlay(path: string, backing: string, size?: number): Promise<void>;
  resize(path: string, size: number): Promise<void>;
}

export function makeQemuImg(exec: Exec, program = 'qemu-img'): QemuImg {
  return {
    async info(path, format, share = false) {
      const args = ['info', '--output=json', '-f', format, ...(share ? ['-U'] : []), path];
      const { stdout } = await exec(program, args, { timeoutMs: 60_000 });
      return imageInfo.parse(JSON.parse(stdout));
    },
    async createOverlay(path, backing, size) {
      const args = ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', backing, path];
      await exec(program, size === undefined ? args : [...args, String(size)]);
    },
    async resize(path, size) {
      await exec(program, ['resize', '-q', '-f', 'qcow2', path, String(size)]);
    },
  };
}

/** QEMU, or a program of its, that did not do what it was asked for, and said so: nothing was interrupted. */
export class QemuRefusal extends VirtainersError {
  constructor(message: string) {
    super('COMMAND_FAILED', message);
  }
}

/** What `qemu-img check` found out about a disk's own tables. */
export interface CheckedDisk {
  /** `leaks`: they hold together, but room is taken that nothing uses. */
  readonly tables: 'sound' | 'leaks' | 'damaged';
  /** Its words. */
  readonly said: string;
}

/**
 * Reads how `qemu-img check` ended (qemu-img(1)): 2 alone is damage; with 1 it could not look, which says nothing of the disk.
 * DATA_IN_USE, COMMAND_FAILED.
 */
export function readCheck({ exitCode, stdout, stderr }: ExecResult, disk: string): CheckedDisk {
  const said = (stderr + stdout).trim();
  const tables = ({ 0: 'sound', 2: 'damaged', 3: 'leaks' } as const)[exitCode];
  if (tables) return { tables, said };
  throw diskInUse(said, disk) ?? commandFailed(['qemu-img', 'check', disk], `exit code ${exitCode}`, said);
}

/** Checks a qcow2 alone: what it lies on is not opened. `repair` the least that is needed. What readCheck throws. */
export async function checkDisk(exec: Exec, disk: string, repair?: 'leaks'): Promise<CheckedDisk> {
  const words = ['check', '-q', ...(repair ? ['-r', repair] : []), chainName({ path: disk, format: 'qcow2' }, [])];
  return readCheck(await exec('qemu-img', words, { allowFailure: true }), disk);
}

/** The error for one that is damaged; `why`: how it may have become so. */
export function damagedDisk(disk: string, said: string, why = ''): VirtainersError {
  const message = `opening ${disk}: the disk is damaged${why}\n${said.slice(0, 1000).replace(/^/gm, '  ')}`;
  return new VirtainersError('DISK_REFUSED', message, {
    hint: 'copy it again from a stopped machine, or restore it; what can be saved of a copy of the file, qemu-img check -r all saves',
  });
}

/** The same of an overlay that somebody is to read; leaked clusters are no damage. DISK_REFUSED, and what readCheck throws. */
export async function requireSound(exec: Exec, overlay: string): Promise<void> {
  const { tables, said } = await checkDisk(exec, overlay);
  if (tables === 'damaged') throw damagedDisk(overlay, said);
}

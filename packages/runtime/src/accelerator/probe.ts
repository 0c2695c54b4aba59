import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Exec, VirtainersError } from '@virtainers/core';
import { z } from 'zod';

export type Accel = 'auto' | 'kvm' | 'tcg';

export interface KvmProbe {
  readonly usable: boolean;
  /** For people: how long it took, or what went wrong. */
  readonly detail: string;
}

/** A guest that cannot reach its boot sector in this time never will. */
const LIMIT_MS = 2000;

/**
 * Runs code in KVM: QEMU's firmware and a boot sector whose only act is to write to the isa-debug-exit port, upon which
 * QEMU ends with (value << 1) | 1 (QEMU, hw/misc/debugexit.c). A node that opens, and even one that makes machines,
 * proves nothing: nested ones are seen that never leave the firmware.
 */
export async function probeKvm(
  exec: Exec,
  folder: string,
  ids: { uid: number; gid: number; asRoot: boolean },
): Promise<KvmProbe> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const sector = join(folder, 'kvm-probe.img');
  await writeFile(sector, bootSector(), { mode: 0o644 });
  const qemu = probeArguments(sector);
  const [file = '', ...args] = ids.asRoot
    ? ['setpriv', `--reuid=${ids.uid}`, `--regid=${ids.gid}`, '--init-groups', ...qemu]
    : qemu;
  const started = performance.now();
  try {
    const { exitCode, stderr } = await exec(file, args, { timeoutMs: LIMIT_MS, allowFailure: true });
    const took = Math.round(performance.now() - started);
    if (exitCode === EXPECTED_EXIT) return { usable: true, detail: `a boot sector ran in ${took} ms` };
    const [first] = stderr.trim().split('\n').slice(-1);
    return { usable: false, detail: `QEMU ended with ${exitCode}${first ? ` (${first.slice(0, 200)})` : ''}` };
  } catch (error) {
    if (!(error instanceof VirtainersError) || error.code !== 'COMMAND_FAILED') throw error;
    return { usable: false, detail: `a guest did not leave its firmware within ${LIMIT_MS / 1000} s` };
  }
}

const DEBUG_PORT = 0x501;
const VALUE = 0x2a;
const EXPECTED_EXIT = (VALUE << 1) | 1;

/** mov dx, 0x501; mov al, 0x2a; out dx, al; hlt; jmp $-1 and the signature. */
function bootSector(): Buffer {
  const sector = Buffer.alloc(512);
  Buffer.from([0xba, DEBUG_PORT & 0xff, DEBUG_PORT >> 8, 0xb0, VALUE, 0xee, 0xf4, 0xeb, 0xfd]).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** Runs as the domain will: same machine, same CPU model. */
function probeArguments(sector: string): string[] {
  return [
    'qemu-system-x86_64',
    ...['-machine', 'q35,accel=kvm', '-cpu', 'host', '-m', '32', '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-device', `isa-debug-exit,iobase=0x${DEBUG_PORT.toString(16)},iosize=1`],
    ...['-drive', `file=${sector},format=raw,if=none,id=probe,readonly=on`],
    ...['-device', 'virtio-blk-pci,drive=probe,bootindex=0'],
  ];
}

const remembered = z.object({ key: z.string(), usable: z.boolean(), detail: z.string() });

/** What an earlier start of this container found on the same kernel, CPU and QEMU build. */
export async function rememberedProbe(path: string, key: string): Promise<KvmProbe | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const found = remembered.parse(JSON.parse(text));
    return found.key === key ? { usable: found.usable, detail: `${found.detail}, as found before` } : undefined;
  } catch {
    return undefined;
  }
}

/** Kept where it can be; where not, the next start probes again. */
export async function rememberProbe(path: string, key: string, probe: KvmProbe): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify({ key, ...probe }));
  } catch {
    // A read-only root.
  }
}

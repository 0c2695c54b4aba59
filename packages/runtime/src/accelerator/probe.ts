import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Exec,
  KVM_PROBE_EXIT_CODE,
  KVM_PROBE_LIMIT_MS,
  kvmProbeDisk,
  planKvmProbe,
  VirtainersError,
} from '@virtainers/core';
import { z } from 'zod';
import { asQemu, type QemuUser } from '../container/user.ts';

export type Accel = 'auto' | 'kvm' | 'tcg';

export interface KvmProbe {
  readonly usable: boolean;
  /** For people: how long it took, or what went wrong. */
  readonly detail: string;
}

/** Runs code in KVM: QEMU's firmware and a boot sector that ends it. */
export async function probeKvm(exec: Exec, folder: string, user: QemuUser): Promise<KvmProbe> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const disk = join(folder, 'kvm-probe.img');
  await writeFile(disk, kvmProbeDisk(), { mode: 0o644 });
  const [file, ...args] = asQemu(user, planKvmProbe(disk));
  const started = performance.now();
  try {
    const { exitCode, stderr } = await exec(file, args, { timeoutMs: KVM_PROBE_LIMIT_MS, allowFailure: true });
    const took = Math.round(performance.now() - started);
    if (exitCode === KVM_PROBE_EXIT_CODE) return { usable: true, detail: `a boot sector ran in ${took} ms` };
    const [first] = stderr.trim().split('\n').slice(-1);
    return { usable: false, detail: `QEMU ended with ${exitCode}${first ? ` (${first.slice(0, 200)})` : ''}` };
  } catch (error) {
    if (!(error instanceof VirtainersError) || error.code !== 'COMMAND_FAILED') throw error;
    return { usable: false, detail: `a guest did not leave its firmware within ${KVM_PROBE_LIMIT_MS / 1000} s` };
  }
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

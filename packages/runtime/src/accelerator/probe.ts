import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Architecture, type Exec, KVM_PROBE_LIMIT_MS, KVM_PROBES, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { asQemu, type QemuUser } from '../container/user.ts';

export type Accel = 'auto' | 'kvm' | 'tcg';

export interface KvmProbe {
  readonly usable: boolean;
  /** For people: how long it took, or what went wrong. */
  readonly detail: string;
}

/** Runs code of this machine's architecture in KVM. */
export async function probeKvm(exec: Exec, folder: string, user: QemuUser, host: Architecture): Promise<KvmProbe> {
  const { program, content, args, exitCode: expected, title } = KVM_PROBES[host];
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const disk = join(folder, 'kvm-probe.img');
  await writeFile(disk, content(), { mode: 0o644 });
  const [file, ...words] = asQemu(user, [program, ...args(disk)]);
  const started = performance.now();
  try {
    const { exitCode, stderr } = await exec(file, words, { timeoutMs: KVM_PROBE_LIMIT_MS, allowFailure: true });
    const took = Math.round(performance.now() - started);
    if (exitCode === expected) return { usable: true, detail: `${title} ran in ${took} ms` };
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

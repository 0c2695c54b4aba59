import { constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Exec, isAccessible, KVM_PROBE_LIMIT_MS, KVM_PROBES } from '@virtainers/core';
import type { Check, CheckContext, Finding } from './check.ts';
import { findProgram } from './programs.ts';

export const kvm: Check = {
  name: 'kvm',
  title: '/dev/kvm',
  check: examineKvm,
  remedy:
    'guests run under emulation, several times slower; in a virtual machine, turn nested virtualisation on in its host',
};

export const tun: Check = {
  name: 'tun',
  title: '/dev/net/tun',
  check: async () =>
    (await isAccessible('/dev/net/tun'))
      ? { status: 'ok', detail: "there: a guest can answer on its container's address" }
      : { status: 'warning', detail: 'not there: only forwarded ports reach a guest' },
  remedy: 'modprobe tun',
};

const probe = KVM_PROBES[arch() === 'arm64' ? 'arm64' : 'amd64'];

/** A node that opens proves nothing; only code that ran does. */
async function examineKvm(context: CheckContext): Promise<Finding> {
  if (!(await isAccessible('/dev/kvm'))) return { status: 'warning', detail: 'not there' };
  if (!(await isAccessible('/dev/kvm', constants.R_OK | constants.W_OK))) {
    const remedy = 'join the group that owns it: usermod -aG kvm "$USER", then log in again';
    return { status: 'warning', detail: 'there, but you may not open it', remedy };
  }
  const { program } = probe;
  if (!(await findProgram(context.env, program))) {
    const remedy = `to try it here: install ${program}; a container tries it by itself at its start`;
    return { status: 'warning', detail: `there, but could not be tried: ${program} is not installed`, remedy };
  }
  return (await runsCode(context.exec))
    ? { status: 'ok', detail: 'ran code' }
    : { status: 'warning', detail: 'opens, but runs no code: it is of no use' };
}

async function runsCode(exec: Exec): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-kvm-'));
  try {
    const disk = join(folder, 'disk.img');
    await writeFile(disk, probe.content());
    const { exitCode } = await exec(probe.program, probe.args(disk), {
      allowFailure: true,
      timeoutMs: KVM_PROBE_LIMIT_MS,
    });
    return exitCode === probe.exitCode;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

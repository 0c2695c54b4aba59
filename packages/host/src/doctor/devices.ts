import { constants } from 'node:fs';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Exec } from '@virtainers/core';
import type { Check, CheckContext, Finding } from './check.ts';
import { findProgram } from './programs.ts';

const QEMU = 'qemu-system-x86_64';
const LIMIT_MS = 2000;

/** QEMU's isa-debug-exit ends with (value << 1) | 1. */
const CODE_RAN = (0x10 << 1) | 1;

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
    (await exists('/dev/net/tun'))
      ? { status: 'ok', detail: "there: a guest can answer on its container's address" }
      : { status: 'warning', detail: 'not there: only forwarded ports reach a guest' },
  remedy: 'modprobe tun',
};

/** What QEMU needs to run `sector` in KVM and nothing else; exported for its test. */
export function planKvmProbe(sector: string): string[] {
  return [
    ...['-machine', 'pc,accel=kvm', '-cpu', 'host', '-m', '16'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'],
    ...['-drive', `file=${sector.replaceAll(',', ',,')},format=raw,if=ide,readonly=off,snapshot=on`],
  ];
}

/** A boot sector that writes 0x10 to the debug port: `mov al, 0x10; out 0xf4, al; hlt; jmp -3`. */
export function bootSector(): Buffer {
  const sector = Buffer.alloc(512);
  sector.set([0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd]);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** A node that opens proves nothing; only code that ran does. */
async function examineKvm(context: CheckContext): Promise<Finding> {
  if (!(await exists('/dev/kvm'))) return { status: 'warning', detail: 'not there' };
  if (!(await exists('/dev/kvm', constants.R_OK | constants.W_OK))) {
    const remedy = 'join the group that owns it: usermod -aG kvm "$USER", then log in again';
    return { status: 'warning', detail: 'there, but you may not open it', remedy };
  }
  if (!(await findProgram(context.env, QEMU))) {
    const remedy = 'to try it here: apt-get install qemu-system-x86; a container tries it by itself at its start';
    return { status: 'warning', detail: `there, but could not be tried: ${QEMU} is not installed`, remedy };
  }
  return (await runsCode(context.exec))
    ? { status: 'ok', detail: 'ran code' }
    : { status: 'warning', detail: 'opens, but runs no code: it is of no use' };
}

async function runsCode(exec: Exec): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-kvm-'));
  try {
    const sector = join(folder, 'sector.img');
    await writeFile(sector, bootSector());
    const { exitCode } = await exec(QEMU, planKvmProbe(sector), { allowFailure: true, timeoutMs: LIMIT_MS });
    return exitCode === CODE_RAN;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function exists(path: string, mode?: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

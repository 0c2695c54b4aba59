import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, IN_IMAGE, QEMU_GID, QEMU_UID } from '@virtainers/core';
import type { BuildContext } from '../context.ts';

/** What stands where in the sandbox. All paths are absolute. */
export interface SandboxPlan {
  /** The script `sandbox`. */
  readonly script: string;
  /** An unpacked runtime root. */
  readonly root: string;
  /** What goes to /usr/lib/virtainers. */
  readonly app: string;
  readonly disk: string;
  /** Has the folders `tmp` and `mounted`, which QEMU's user may write to, and machine.json. */
  readonly work: string;
  /** Who bakes: root becomes QEMU's user; anyone else is shown as it. */
  readonly asRoot: boolean;
  /** The group that may open /dev/kvm, where it is one. */
  readonly kvmGroup: number | undefined;
  /** The supervisor's settings, and arguments for QEMU. */
  readonly settings: Readonly<Record<string, string>>;
  readonly arguments: readonly string[];
}

/** An ordinary user's PATH has not always the folders of mount(8) and chroot(8). */
export function sandboxEnvironment({ env }: Pick<BuildContext, 'env'>): Record<string, string> {
  return { PATH: `${env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin` };
}

/**
 * The supervisor as in a container without any capability, by unshare(1) and chroot(8) alone: no engine, no root, the host's
 * network. It is made to end with whoever starts it, however that ends.
 */
export function sandboxCommand(plan: SandboxPlan): [string, ...string[]] {
  const { script, root, app, disk, work, asRoot, settings } = plan;
  const namespaces = ['--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child', '--propagation', 'private'];
  const environment = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [
    ...(['setpriv', '--pdeathsig', 'KILL'] as const),
    ...['unshare', ...(asRoot ? [] : ['--user', '--map-root-user']), ...namespaces, '--'],
    ...['sh', script, root, app, disk, work],
    ...(asRoot ? [] : becomeQemu()),
    ...['chroot', root, ...giveUpRights(plan)],
    ...['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/tmp', ...environment],
    ...['tini', '-s', '--', 'node', IN_IMAGE.runtime, ...plan.arguments],
  ];
}

/** A user namespace in that of the mounts: there the one user that there is has QEMU's number. */
function becomeQemu(): string[] {
  return ['unshare', '--user', `--map-user=${QEMU_UID}`, `--map-group=${QEMU_GID}`, '--keep-caps', '--'];
}

function giveUpRights({ asRoot, kvmGroup }: SandboxPlan): string[] {
  const groups = kvmGroup === undefined ? '--clear-groups' : `--groups=${kvmGroup}`;
  const user = asRoot ? [`--reuid=${QEMU_UID}`, `--regid=${QEMU_GID}`, groups] : ['--ambient-caps=-all'];
  return ['setpriv', ...user, '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--'];
}

/** As libvirt's QEMU joins it in a container. */
export async function kvmGroup(): Promise<number | undefined> {
  const node = await stat('/dev/kvm').catch(() => undefined);
  return node && node.gid !== 0 && (node.mode & 0o060) === 0o060 ? node.gid : undefined;
}

/** Whether the script got as far as running its command. */
export async function hasEntered(work: string): Promise<boolean> {
  return stat(join(work, 'entered')).then(
    () => true,
    () => false,
  );
}

/** Ends when the child and all that it has started are gone: the first process of a PID namespace is its last one too. */
export async function allGone({ stdout, stderr, exited }: Child): Promise<number | null> {
  const closed = [stdout, stderr].map(
    (stream) => stream && !stream.closed && new Promise((resolve) => stream.once('close', resolve)),
  );
  const { exitCode } = await exited;
  await Promise.all(closed);
  return exitCode;
}

import { isShareName, SHARE_NAMES, type ShareWord, VirtainersError } from '@virtainers/core';
import type { SharedEntry } from '../container/shares.ts';

/** A folder of the container that the guest gets. */
export interface Share extends ShareWord {
  /** In the container. */
  readonly folder: string;
  /** Of the folder, as the container sees it. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/**
 * What is shared: all that the container has for it, each at the place that SHARES names, otherwise at its own path. In the
 * order in which they can be mounted: a folder before one inside it. Throws one CONFIG_INVALID with every problem.
 */
export function planShares(wanted: readonly ShareWord[], entries: readonly SharedEntry[]): Share[] {
  const missing = wanted.filter(({ name }) => !entries.some((entry) => entry.name === name));
  const shares = entries.map((entry) => shareOf(entry, wanted));
  const problems = [
    ...missing.map(({ name }) => `SHARES names ${name}, and there is no /shares/${name}`),
    ...entries.flatMap(problemOf),
    ...twice(shares),
  ];
  if (problems.length > 0) {
    throw new VirtainersError('CONFIG_INVALID', `sharing folders with the guest:\n  ${problems.join('\n  ')}`, {
      hint: 'mount each folder under a name of its own: -v /path/on/the/host:/shares/NAME, and say SHARES=NAME:/path/in/the/guest',
    });
  }
  return shares.sort((a, b) => (a.guest < b.guest ? -1 : 1));
}

function shareOf({ name, path, readonly, uid, gid }: SharedEntry, wanted: readonly ShareWord[]): Share {
  const word = wanted.find((share) => share.name === name);
  const owner = { uid, gid };
  return { name, folder: path, owner, guest: word?.guest ?? path, readonly: readonly || (word?.readonly ?? false) };
}

function problemOf({ name, path, kind }: SharedEntry): string[] {
  if (!isShareName(name)) return [`${JSON.stringify(path)}: not a name for a share: ${SHARE_NAMES}`];
  return kind === 'folder' ? [] : [`${path}: ${kind === 'file' ? 'a file' : 'no folder'}; only folders can be shared`];
}

function twice(shares: readonly Share[]): string[] {
  return shares.flatMap(({ guest, name }, index) => {
    const first = shares.findIndex((other) => other.guest === guest);
    return first === index ? [] : [`${shares[first]?.name} and ${name} are both to be ${guest} in the guest`];
  });
}

/** The first user of a cloud image, who logs in. */
const GUEST_USER = 1000;

const EVERYBODY = 4_294_967_295;

/** Who virtiofsd is in the container, and what it may do. */
export interface ServerRights {
  readonly asRoot: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly capabilities: ReadonlySet<string>;
}

/** What virtiofsd keeps unless it is told otherwise (virtiofsd(1), --modcaps); it ends where it lacks one of them. */
const KEPT = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID'];

/**
 * virtiofsd's arguments. It makes no device nodes and no file capabilities for the guest. Root's stays in the folder
 * (chroot, which needs CAP_SYS_CHROOT); another sandbox would need rights that containers do not have.
 */
export function virtiofsdWords(share: Share, socket: string, rights: ServerRights): string[] {
  const { asRoot, capabilities } = rights;
  const lacking = KEPT.filter((name) => !capabilities.has(name)).map((name) => `:-${name.toLowerCase()}`);
  return [
    ...['--shared-dir', share.folder, '--socket-path', socket],
    ...(asRoot ? ['--socket-group', 'qemu', `--modcaps=-mknod:-setfcap${lacking.join('')}`] : []),
    ...['--sandbox', asRoot && capabilities.has('SYS_CHROOT') ? 'chroot' : 'none'],
    ...(share.readonly ? ['--readonly'] : []),
    ...translation('uid', share.owner.uid, rights),
    ...translation('gid', share.owner.gid, rights),
  ];
}

/**
 * The folder's owner and the guest's user are one: what the one makes is the other's. Root keeps all other ids as they are;
 * an ordinary user can make files for nobody else, so that there everybody in the guest is that user.
 */
function translation(kind: 'uid' | 'gid', owner: number, rights: ServerRights): string[] {
  const flag = `--translate-${kind}`;
  if (!rights.asRoot) {
    const own = rights[kind];
    return [flag, `squash-guest:0:${own}:${EVERYBODY}`, flag, `host:${own}:${GUEST_USER}:1`];
  }
  if (owner === GUEST_USER) return [];
  return [flag, `guest:${GUEST_USER}:${owner}:1`, flag, `host:${owner}:${GUEST_USER}:1`];
}

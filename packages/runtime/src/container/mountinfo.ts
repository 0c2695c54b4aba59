/** File systems that end with the container. */
const FLEETING = new Set(['tmpfs', 'ramfs']);

/**
 * Whether what is written at `path` outlives the container: whether it lies on a mount of its own that is not memory.
 * `mountinfo` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)), here and below.
 */
export function isPersistent(mountinfo: string, path: string): boolean {
  const { point, type } = mountUnder(mountinfo, path);
  return point.length > 1 && !FLEETING.has(type);
}

/** Whether nobody can write at `path`, whatever its mode: the mount or its file system is read-only. */
export function isMountedReadonly(mountinfo: string, path: string): boolean {
  return mountUnder(mountinfo, path).options.includes('ro');
}

interface Mount {
  readonly point: string;
  readonly type: string;
  /** Of the mount, then of its file system. */
  readonly options: readonly string[];
}

/** What `path` lies on: the last mount on a point is the one in force. */
function mountUnder(mountinfo: string, path: string): Mount {
  let best: Mount = { point: '', type: '', options: [] };
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , , written = '', options = ''] = left.split(' ');
    const [type = '', , ofFileSystem = ''] = right.split(' ');
    const point = unescapeOctal(written);
    const covers = point === path || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (point && covers && point.length >= best.point.length)
      best = { point, type, options: [...options.split(','), ...ofFileSystem.split(',')] };
  }
  return best;
}

/** Spaces and backslashes are written as `\040` and `\134`. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

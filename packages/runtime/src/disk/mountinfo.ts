/** File systems that end with the container. */
const FLEETING = new Set(['tmpfs', 'ramfs']);

/**
 * Whether what is written at `path` outlives the container: whether it lies on a mount of its own that is not memory.
 * `mountinfo` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
 */
export function isPersistent(mountinfo: string, path: string): boolean {
  let best = { point: '', type: '' };
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const point = unescapeOctal(left.split(' ')[4] ?? '');
    const covers = point === path || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (point && covers && point.length >= best.point.length) best = { point, type: right.split(' ')[0] ?? '' };
  }
  return best.point.length > 1 && !FLEETING.has(best.type);
}

/** Spaces and backslashes are written as `\040` and `\134`. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

import type { Inode } from './ext4.ts';

/** What became of a file. */
export interface FileChange {
  readonly path: string;
  readonly change: 'new' | 'changed' | 'deleted';
  /** Bytes, now; of a deleted one, as it was. */
  readonly size: number;
}

export type Files = ReadonlyMap<string, Inode>;

/**
 * Compares two trees: what is in one only, and what differs in size, mode or owner; `touched`: numbers of the inodes of `now`
 * whose content changed. Sorted by path. A folder whose entries alone changed is passed over, for these are listed.
 */
export function compareFiles(before: Files, now: Files, touched: ReadonlySet<number>): FileChange[] {
  const deleted = [...before].filter(([path]) => !now.has(path));
  const others = [...now].flatMap(([path, inode]): FileChange[] => {
    const old = before.get(path);
    if (!old) return [{ path, change: 'new', size: inode.size }];
    return isChanged(old, inode, touched) ? [{ path, change: 'changed', size: inode.size }] : [];
  });
  const gone = deleted.map(([path, { size }]): FileChange => ({ path, change: 'deleted', size }));
  return [...others, ...gone].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isChanged(old: Inode, now: Inode, touched: ReadonlySet<number>): boolean {
  if (old.mode !== now.mode || old.uid !== now.uid || old.gid !== now.gid) return true;
  const folder = now.mode.startsWith('04') || now.mode.startsWith('4');
  return !folder && (old.size !== now.size || touched.has(now.number));
}

import { expect, test } from 'vitest';
import { compareFiles } from './compare-files.ts';
import { parseListing } from './ext4.ts';

const LISTING = `debugfs: ls -p <2>
/2/040755/0/0/.//
/2/040755/0/0/..//
/12/040755/0/0/boot//

debugfs: ls -p <12>
/13/100644/1000/7/a file, odd "name"/4542454/
/0/100644/0/0/removed/1/
/14/100644/0/0/two lines
debugfs: ls -p <2>
and more/5/
/15/100644/0/0/last/6/
`;

test("debugfs's listing of folders, by the folder's number", () => {
  expect(parseListing(LISTING)).toEqual([
    { folder: 2, name: 'boot', inode: { number: 12, mode: '040755', uid: 0, gid: 0, size: 0 } },
    { folder: 12, name: 'a file, odd "name"', inode: { number: 13, mode: '100644', uid: 1000, gid: 7, size: 4542454 } },
    {
      folder: 12,
      name: 'two lines\ndebugfs: ls -p <2>\nand more',
      inode: { number: 14, mode: '100644', uid: 0, gid: 0, size: 5 },
    },
    { folder: 12, name: 'last', inode: { number: 15, mode: '100644', uid: 0, gid: 0, size: 6 } },
  ]);
});

test('files that are new, gone, of another size, mode or content; folders only by their own facts', () => {
  const file = (number: number, size = 1, mode = '100644') => ({ number, mode, uid: 0, gid: 0, size });
  const before = new Map([
    ['/gone', file(1, 9)],
    ['/same', file(2)],
    ['/size', file(3, 1)],
    ['/mode', file(4)],
    ['/content', file(5)],
    ['/folder', file(6, 0, '040755')],
  ]);
  const now = new Map([...before, ['/new', file(7)], ['/size', file(3, 2)], ['/mode', file(4, 1, '100600')]] as const);
  now.delete('/gone');
  expect(compareFiles(before, now, new Set([5, 6])).map(({ path, change }) => [path, change])).toEqual([
    ['/content', 'changed'],
    ['/gone', 'deleted'],
    ['/mode', 'changed'],
    ['/new', 'new'],
    ['/size', 'changed'],
  ]);
});

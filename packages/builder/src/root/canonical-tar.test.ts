import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { fileSizes, rewriteTar, type TarRules } from './canonical-tar.ts';

const RULES: TarRules = { drop: () => false, files: [], mtime: 1000, plain: true };

interface Seen {
  name: string;
  type: string;
  mode: number;
  uid: number;
  mtime: number;
  content: string;
  linkname: string | null;
}

/** A tar of entries in the given order, as another program would make it. */
async function tarOf(entries: readonly { name: string; [field: string]: unknown }[]): Promise<Buffer> {
  const writer = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined) writer.entry({ uname: 'somebody', ...header });
    else writer.entry({ uname: 'somebody', ...header }, String(content));
  }
  writer.finalize();
  return buffer(writer as unknown as Readable);
}

async function rewritten(tar: Buffer, rules: Partial<TarRules>): Promise<{ bytes: Buffer; entries: Seen[] }> {
  const target = new PassThrough();
  const [, bytes] = await Promise.all([
    rewriteTar(Readable.from([tar]), target, { ...RULES, ...rules }),
    buffer(target),
  ]);
  const reader = extract();
  reader.end(bytes);
  const entries: Seen[] = [];
  for await (const entry of reader) {
    const { name, type, mode, uid, mtime, linkname, uname } = entry.header;
    expect(uname).toBe('');
    let content = '';
    for await (const chunk of entry) content += String(chunk);
    entries.push({ name, type, mode, uid, mtime: mtime.getTime() / 1000, content, linkname });
  }
  return { bytes, entries };
}

test('names, times and owners are made one; setuid goes; a sticky folder stays', async () => {
  const tar = await tarOf([
    { name: './', type: 'directory' },
    { name: './bin/', type: 'directory' },
    { name: './bin/su', mode: 0o4755, content: 'x', mtime: new Date() },
    { name: './tmp/', type: 'directory', mode: 0o1777 },
  ]);
  const { entries } = await rewritten(tar, {});
  expect(entries.map(({ name, mode, mtime }) => [name.replace(/\/$/, ''), mode, mtime])).toEqual([
    ['bin', 0o755, 1000],
    ['bin/su', 0o755, 1000],
    ['tmp', 0o1777, 1000],
  ]);
});

test('our files come where they belong, and in place of what is there', async () => {
  const tar = await tarOf([
    { name: './a', content: 'theirs' },
    { name: './c', content: 'c' },
  ]);
  const files = [
    { path: 'd', content: 'last' },
    { path: 'a', content: 'ours' },
    { path: 'b', type: 'symlink' as const, content: 'a' },
  ];
  const { entries } = await rewritten(tar, { files });
  expect(entries.map(({ name, content, linkname }) => [name, content || linkname])).toEqual([
    ['a', 'ours'],
    ['b', 'a'],
    ['c', 'c'],
    ['d', 'last'],
  ]);
});

test('what is dropped is gone; a hard link to it is an error', async () => {
  const entries = [
    { name: './a', content: 'x' },
    { name: './b', type: 'link', linkname: './a' },
  ];
  const drop = (path: string) => path === 'a';
  expect((await rewritten(await tarOf(entries.slice(0, 1)), { drop })).entries).toEqual([]);
  await expect(rewritten(await tarOf(entries), { drop })).rejects.toMatchObject({ code: 'ROOT_INVALID' });
});

test('a tar that is not sorted is refused', async () => {
  const tar = await tarOf([
    { name: './b', content: '' },
    { name: './a', content: '' },
  ]);
  await expect(rewritten(tar, {})).rejects.toMatchObject({ code: 'ROOT_INVALID' });
});

test('capabilities are taken from a layer and refused for a disk', async () => {
  const pax = { 'SCHILY.xattr.security.capability': 'x' };
  const tar = await tarOf([{ name: './ping', content: 'x', pax }]);
  expect((await rewritten(tar, {})).bytes.includes('security.capability')).toBe(false);
  await expect(rewritten(tar, { plain: false })).rejects.toMatchObject({ code: 'ROOT_INVALID' });
});

test('files are edited where the rules say so', async () => {
  const tar = await tarOf([
    { name: './a.pyc', content: 'old' },
    { name: './b', content: 'old' },
  ]);
  const { entries } = await rewritten(tar, { edits: (path) => path === 'a.pyc', edit: () => Buffer.from('newer') });
  expect(entries.map((entry) => entry.content)).toEqual(['newer', 'old']);
});

test('sizes of the files that are asked for', async () => {
  const tar = await tarOf([
    { name: './a.py', content: '12345' },
    { name: './b', content: '1' },
  ]);
  expect(await fileSizes(Readable.from([tar]), (path) => path.endsWith('.py'))).toEqual(new Map([['a.py', 5]]));
});

import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { extract, type Header } from 'tar-stream';
import { expect, test } from 'vitest';
import { type Segment, segmentsSize, streamSegments } from './segments.ts';
import { checkEpoch, pathProblem, sortEntries, type TarEntry, tarSegments } from './tar.ts';

const MTIME = 1_700_000_000;

async function bytesOf(segments: readonly Segment[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of streamSegments(segments)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** Read back by another implementation of the format. */
async function readBack(tar: Buffer): Promise<{ header: Header; body: Buffer }[]> {
  const found: { header: Header; body: Buffer }[] = [];
  const reader = extract();
  reader.on('entry', async (header, stream, next) => {
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);
    found.push({ header, body: Buffer.concat(pieces) });
    next();
  });
  await pipeline(Readable.from([tar]), reader);
  return found;
}

test('modes, owners and the one mtime are as given, nobody is named', async () => {
  const entries: TarEntry[] = [
    { path: 'disk', mode: 0o755, uid: 107, gid: 107 },
    { path: 'disk/disk.qcow2', mode: 0o444, uid: 107, gid: 107, content: [Buffer.from('one'), Buffer.from('two')] },
  ];
  const found = await readBack(await bytesOf(await tarSegments(entries, MTIME)));
  expect(
    found.map(({ header: { name, mode, uid, gid, mtime, uname, gname, type } }) => [
      name,
      mode,
      uid,
      gid,
      mtime?.getTime(),
      uname,
      gname,
      type,
    ]),
  ).toEqual([
    ['disk/', 0o755, 107, 107, MTIME * 1000, '', '', 'directory'],
    ['disk/disk.qcow2', 0o444, 107, 107, MTIME * 1000, '', '', 'file'],
  ]);
  expect(found[1]?.body.toString()).toBe('onetwo');
});

const part = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 120 })
  .filter((text) => !text.includes('/') && pathProblem(text) === undefined);

test('any allowed name survives, long and not ASCII, and the size is known without writing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
        { minLength: 1, maxLength: 5 },
      ),
      fc.uint8Array({ maxLength: 2000 }),
      async (paths, content) => {
        const entries = paths.map((path) => ({ path: `${path}.file`, mode: 0o644, content: [Buffer.from(content)] }));
        const segments = await tarSegments(sortEntries(entries), MTIME);
        const tar = await bytesOf(segments);
        expect(segmentsSize(segments)).toBe(tar.length);
        const found = await readBack(tar);
        expect(new Set(found.map(({ header }) => header.name))).toEqual(new Set(entries.map(({ path }) => path)));
        expect(found.every(({ body }) => body.equals(Buffer.from(content)))).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

test.each(['', '/etc/passwd', '../x', 'a/../../x', 'a//b', 'a/./b', 'a/', 'a\0b', 'a\nb', '\ud800', 'x'.repeat(5000)])(
  'the path %j is refused',
  async (path) => {
    const entry = { path, mode: 0o644, content: [] };
    await expect(tarSegments([entry], MTIME)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  },
);

test('no path whatever leaves the folder', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom('a', '.', '/', '\0', 'ü', ' ') }), async (path) => {
      const tar = await tarSegments([{ path, mode: 0o644, content: [] }], MTIME).catch(() => undefined);
      if (!tar) return;
      const [entry] = await readBack(await bytesOf(tar));
      expect(entry?.header.name).toBe(path);
      expect(resolve('/root', path).startsWith('/root/')).toBe(true);
    }),
  );
});

test('a path twice, and a file used as a folder, are refused', async () => {
  const file = { path: 'a', mode: 0o644, content: [] };
  await expect(tarSegments([file, file], MTIME)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  const inside = { path: 'a/b', mode: 0o644, content: [] };
  await expect(tarSegments([file, inside], MTIME)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
});

test('entries are sorted by their bytes, whatever the language', () => {
  const paths = ['b', 'ä', 'a/b', 'a', 'Z'];
  expect(sortEntries(paths.map((path) => ({ path, mode: 0 }))).map(({ path }) => path)).toEqual([
    'Z',
    'a',
    'a/b',
    'b',
    'ä',
  ]);
});

test.each([-1, 1.5, Number.NaN, 2 ** 31])('SOURCE_DATE_EPOCH %d is refused', (epoch) => {
  expect(() => checkEpoch(epoch)).toThrow(/SOURCE_DATE_EPOCH/);
});

import fc from 'fast-check';
import { pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { readTar } from './tar-reader.ts';

type Written = { readonly name: string; readonly content: string };

/** Written by another implementation of the format. */
async function written(entries: readonly Written[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content } of entries) tar.entry({ name }, content);
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(stream: AsyncIterable<Buffer>, read: (path: string) => boolean = () => true) {
  const found: Written[] = [];
  for await (const { path, body } of readTar(stream, 'a tar')) {
    if (!read(path)) continue;
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(Buffer.from(piece));
    found.push({ name: path, content: Buffer.concat(pieces).toString('utf8') });
  }
  return found;
}

const name = fc.stringMatching(/^[a-z]{1,120}(\/[a-zé]{1,60}){0,4}$/);

test('what was written comes back, in whatever pieces, read or passed over', async () => {
  const entries = fc.array(fc.record({ name, content: fc.string({ maxLength: 2000 }) }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(entries, fc.integer({ min: 1, max: 3000 }), async (all, size) => {
      const bytes = await written(all);
      expect(await readAll(inPieces(bytes, size))).toEqual(all);
      const some = (path: string) => path.length % 2 === 0;
      expect(await readAll(inPieces(bytes, size), some)).toEqual(all.filter((one) => some(one.name)));
    }),
    { numRuns: 50 },
  );
});

test('one that is cut short, spoilt, or leads out of itself is refused', async () => {
  const bytes = await written([{ name: 'disk/disk.img', content: 'x'.repeat(3000) }]);
  const invalid = { code: 'ARCHIVE_INVALID' };
  await expect(readAll(inPieces(bytes.subarray(0, 2000), 700))).rejects.toMatchObject(invalid);
  await expect(readAll(inPieces(bytes.subarray(0, 2000), 700), () => false)).rejects.toMatchObject(invalid);
  await expect(readAll(inPieces(bytes.subarray(0, 100), 700))).rejects.toMatchObject(invalid);
  const spoilt = Buffer.from(bytes);
  spoilt.write('y', 3);
  await expect(readAll(inPieces(spoilt, 512))).rejects.toMatchObject(invalid);
  for (const path of ['disk/../../x', '../x']) {
    const tar = inPieces(await written([{ name: path, content: 'x' }]), 512);
    await expect(readAll(tar)).rejects.toMatchObject(invalid);
  }
});

test('a name of gigabytes is refused before it is read', async () => {
  const header = await written([{ name: 'x'.repeat(101), content: '' }]);
  // The first block is the long name's; its size says 8 GiB, and its sum is made to fit.
  header.write('77777777777 ', 124);
  header.write('        ', 148);
  const sum = header.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  async function* endless(): AsyncGenerator<Buffer> {
    yield header.subarray(0, 512);
    throw new Error('it was read on');
  }
  await expect(readAll(endless())).rejects.toMatchObject({ message: expect.stringContaining('longer than any name') });
});

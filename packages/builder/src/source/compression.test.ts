import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decompress, detectCompression } from './compression.ts';

let folder: string;
const plain = Buffer.concat([Buffer.alloc(100_000, 'head'), Buffer.alloc(5_000_000), Buffer.from('tail')]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-compression-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;

async function unpack(
  bytes: Buffer,
  more: { maxSize?: number; checkHead?: (head: Buffer) => void } = {},
): Promise<string> {
  count += 1;
  const [from, to] = [join(folder, `${count}.gz`), join(folder, `${count}.out`)];
  await writeFile(from, bytes);
  const spawn = () => {
    throw new Error('gzip needs no program');
  };
  await decompress(from, to, 'gzip', { spawn, name: 'x.gz', maxSize: 10_000_000, checkHead: () => undefined, ...more });
  return to;
}

test('unpacks, with holes where there are only zeros', async () => {
  const path = await unpack(gzipSync(plain));
  expect((await readFile(path)).equals(plain)).toBe(true);
  expect((await stat(path)).blocks * 512).toBeLessThan(2_500_000);
});

test('zeros at the end count', async () => {
  expect((await stat(await unpack(gzipSync(Buffer.alloc(3_000_000))))).size).toBe(3_000_000);
});

test('a bomb is refused at the limit, or by its first bytes', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  await expect(unpack(bomb)).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    message: expect.stringContaining('more than 9.5 MiB'),
  });
  const checkHead = (head: Buffer) => {
    throw new Error(`refused after ${head.length}`);
  };
  await expect(unpack(bomb, { checkHead })).rejects.toThrow('refused after 65536');
});

test('what is cut short or damaged is refused', async () => {
  const packed = gzipSync(plain);
  await expect(unpack(packed.subarray(0, packed.length - 20))).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  packed.writeUInt8(packed.readUInt8(100) ^ 0xff, 100);
  await expect(unpack(packed)).rejects.toMatchObject({ code: 'DISK_REFUSED' });
});

test.each([
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  [undefined, [0x51, 0x46, 0x49, 0xfb]],
  [undefined, []],
])('%s is told by its first bytes', async (kind, magic) => {
  const path = join(folder, `magic-${kind}-${magic.length}`);
  await writeFile(path, Buffer.from(magic));
  expect(await detectCompression(path)).toBe(kind);
});

import { expect, test } from 'vitest';
import { writeAll } from './files.ts';

test('a write that takes less than it was given is followed by one of the rest', async () => {
  const disk = Buffer.alloc(16);
  const write = async (bytes: Buffer, offset: number, length: number, position: number) => {
    const bytesWritten = bytes.copy(disk, position, offset, offset + Math.min(length, 3));
    return { bytesWritten, buffer: bytes };
  };
  await writeAll({ write: write as never }, Buffer.from('0123456789'), 4);
  expect(disk.toString('latin1')).toBe('\0\0\0\x000123456789\0\0');
});

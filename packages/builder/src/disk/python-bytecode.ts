/** The source of a compiled module (PEP 3147): `a/__pycache__/b.cpython-313.pyc` -> `a/b.py`; undefined for other files. */
export function sourceOfBytecode(path: string): string | undefined {
  const match = /^(.*)__pycache__\/([^/.]+)\.[^/]+\.pyc$/.exec(path);
  return match ? `${match[1]}${match[2]}.py` : undefined;
}

/**
 * Compiled modules name their source by its time and size, or by its hash (PEP 552), which costs a read of every
 * source at every start. All become the first kind: `mtime` is the one time that all files of the disk have.
 */
export function retimeBytecode(content: Buffer, mtime: number, sourceSize: number): Buffer {
  if (content.length < 16) return content;
  const copy = Buffer.from(content);
  copy.writeUInt32LE(0, 4);
  copy.writeUInt32LE(mtime >>> 0, 8);
  copy.writeUInt32LE(sourceSize >>> 0, 12);
  return copy;
}

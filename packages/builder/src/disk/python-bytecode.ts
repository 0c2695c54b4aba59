/** Where Python keeps compiled modules (PEP 3147). */
export function isBytecode(path: string): boolean {
  return path.endsWith('.pyc') && path.includes('__pycache__/');
}

/**
 * A compiled module names its source's time; where that differs, Python compiles again at each start, which costs a
 * first boot seconds. As all files get one time, so does this field. Hash-based ones have none (PEP 552).
 */
export function retimeBytecode(content: Buffer, mtime: number): Buffer {
  if (content.length < 16 || content.readUInt32LE(4) !== 0) return content;
  const copy = Buffer.from(content);
  copy.writeUInt32LE(mtime >>> 0, 8);
  return copy;
}

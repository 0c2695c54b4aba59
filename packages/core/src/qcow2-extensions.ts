/** A header extension as it stands in the file (QEMU, docs/interop/qcow2.rst, "Header extensions"). */
export interface Qcow2Extension {
  readonly type: number;
  readonly data: Buffer;
}

/**
 * Those of a qcow2's first bytes, as QEMU reads them: between the header and the backing file's name, or the first bytes' end.
 * Undefined: one of them is longer than that, and QEMU refuses the file (block/qcow2.c, qcow2_read_extensions).
 */
export function qcow2Extensions(head: Buffer): Qcow2Extension[] | undefined {
  const end = Math.min(backingName(head).offset || head.length, head.length);
  const found: Qcow2Extension[] = [];
  for (let at = headerLength(head); at + 8 <= end; ) {
    const [type, length] = [head.readUInt32BE(at), head.readUInt32BE(at + 4)];
    if (type === 0) return found;
    if (at + 8 + length > end) return undefined;
    found.push({ type, data: head.subarray(at + 8, at + 8 + length) });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

/** In bytes; version 2 has no field for it. */
export function headerLength(head: Buffer): number {
  return head.readUInt32BE(4) === 3 ? head.readUInt32BE(100) : 72;
}

/** Where the backing file's name lies in the file; offset and length 0 where it has none. */
export function backingName(head: Buffer): { readonly offset: number; readonly length: number } {
  const offset = Number(head.readBigUInt64BE(8));
  return { offset, length: offset === 0 ? 0 : head.readUInt32BE(16) };
}

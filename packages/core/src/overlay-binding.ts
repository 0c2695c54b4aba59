import { open } from 'node:fs/promises';
import type { Digest } from './digest.ts';
import { backingName, headerLength, type Qcow2Extension, qcow2Extensions } from './qcow2-extensions.ts';

/**
 * A header extension of ours: the sha256 of each disk that the overlay was made on, the base first, so that the file and
 * the sidecar beside it can be held against each other. QEMU keeps extensions that it does not know (QEMU, docs/interop/qcow2.rst,
 * "Header extensions"; block/qcow2.c, unknown_header_ext), and copies them nowhere: not into what is published.
 */
const BINDING = 0x76746e72;
const DIGEST = 32;
const HEAD = 65536;

/** Of a header's extensions. Undefined: nothing is written there. */
export function readBinding(extensions: readonly Qcow2Extension[] | undefined): Digest[] | undefined {
  const data = extensions?.find(({ type }) => type === BINDING)?.data;
  if (data === undefined || data.length % DIGEST !== 0) return undefined;
  return Array.from({ length: data.length / DIGEST }, (_, index): Digest => {
    return `sha256:${data.toString('hex', index * DIGEST, (index + 1) * DIGEST)}`;
  });
}

/**
 * Writes into an overlay what it lies on; one whose header has no room for it stays as it is. Only who holds the folder's lock may call
 * it, while no program has the file open. One write, as QEMU's own of a header is.
 */
export async function bindOverlay(path: string, chain: readonly { readonly sha256: Digest }[]): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    const header = withBinding(buffer.subarray(0, bytesRead), chain);
    if (!header) return;
    await handle.write(header, 0, header.length, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The header, its extensions, and behind them the backing file's name, to which it points at 8 and 16. */
function withBinding(head: Buffer, chain: readonly { readonly sha256: Digest }[]): Buffer | undefined {
  const others = qcow2Extensions(head)?.filter(({ type }) => type !== BINDING);
  if (!others || headerLength(head) < 72) return undefined;
  const data = Buffer.concat(chain.map(({ sha256 }) => Buffer.from(sha256.slice('sha256:'.length), 'hex')));
  const extensions = [...others, { type: BINDING, data }, { type: 0, data: Buffer.alloc(0) }];
  const start = Buffer.concat([head.subarray(0, headerLength(head)), ...extensions.map(encode)]);
  const { offset, length } = backingName(head);
  if (offset > 0) start.writeBigUInt64BE(BigInt(start.length), 8);
  const header = Buffer.concat([start, head.subarray(offset, offset + length)]);
  return header.length <= Math.min(2 ** head.readUInt32BE(20), head.length) ? header : undefined;
}

function encode({ type, data }: Qcow2Extension): Buffer {
  const bytes = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8);
  bytes.writeUInt32BE(type, 0);
  bytes.writeUInt32BE(data.length, 4);
  data.copy(bytes, 8);
  return bytes;
}

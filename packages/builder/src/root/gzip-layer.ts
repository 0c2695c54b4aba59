import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { commandFailed, type Digest, digestOf } from '@virtainers/core';
import { rewriteTar, type TarRules } from './canonical-tar.ts';
import type { ToolRoot } from './tool-root.ts';

export interface GzipLayer {
  readonly digest: Digest;
  readonly diffID: Digest;
  /** Of the compressed file, in bytes. */
  readonly size: number;
}

/** pigz cuts its input in pieces that do not depend on how many threads there are, if there are more than one. */
const PIGZ = ['-c', '-n', '-p', '2', '-9'];

/** Rewrites `tar` by `rules` into the gzip file `layer`; both of its digests are taken while it is written. */
export async function writeGzipLayer(
  tools: ToolRoot,
  tar: string,
  layer: string,
  rules: TarRules,
  signal?: AbortSignal,
): Promise<GzipLayer> {
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  let size = 0;
  const pigz = tools.spawn('pigz', PIGZ, { stdin: 'pipe', stderr: 'inherit' });
  if (!pigz.stdin || !pigz.stdout) throw commandFailed(['pigz', ...PIGZ], 'has no pipes', '');
  const into = tap((chunk) => plain.update(chunk));
  const out = tap((chunk) => {
    packed.update(chunk);
    size += chunk.length;
  });
  try {
    await Promise.all([
      rewriteTar(createReadStream(tar, { highWaterMark: 1 << 20 }), into, rules, signal),
      pipeline(into, pigz.stdin),
      pipeline(pigz.stdout, out, createWriteStream(layer, { flush: true })),
    ]);
  } catch (error) {
    pigz.kill('SIGKILL');
    await pigz.exited;
    throw error;
  }
  const { exitCode } = await pigz.exited;
  if (exitCode !== 0) throw commandFailed(['pigz', ...PIGZ], `exit code ${exitCode}`, '');
  return { digest: digestOf(packed), diffID: digestOf(plain), size };
}

function tap(see: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done) {
      see(chunk);
      done(null, chunk);
    },
  });
}

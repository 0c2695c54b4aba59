import { mkdir, readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { writeFileAtomically } from '@virtainers/core';
import type { AttestationKind } from '../supply/attestation.ts';
import { guardOutput } from './archive-file.ts';
import type { SinkResult } from './sink.ts';

/** A document about an image, beside its archive; nothing is written where it is there already. OUTPUT_UNWRITABLE. */
export async function writeDocument(kind: AttestationKind, path: string, bytes: Buffer): Promise<SinkResult> {
  const target = resolve(path);
  const known = await readFile(target).catch(() => undefined);
  if (known?.equals(bytes)) return { kind, target, written: false };
  await guardOutput(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    await writeFileAtomically(target, bytes.toString('utf8'));
  });
  return { kind, target, written: true };
}

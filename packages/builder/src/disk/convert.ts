import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { chainName, commandFailed, formatSize, parseJson, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { DiskFacts } from './inspect.ts';
import { refuse } from './inspect-bytes.ts';
import type { DiskFormat } from './inspect-format.ts';
import type { Limits, QemuTool } from './qemu-tool.ts';

const GIB = 1024 ** 3;
const LOOK: Limits = { memory: GIB, cpuSeconds: 60, timeoutMs: 120_000 };
const WORK: Limits = { memory: 4 * GIB };

/** qapi/block-core.json, ImageInfo and ImageCheck: what we rely on. */
const infoSchema = z.object({ format: z.string(), 'virtual-size': z.number() });
const checkSchema = z.object({ 'check-errors': z.number(), corruptions: z.number().optional() });

/** Formats whose consistency qemu-img can check (the others have no redundant tables). */
const CHECKABLE: readonly DiskFormat[] = ['qcow2', 'vmdk', 'vhdx', 'vdi'];

/**
 * Lets QEMU look at a disk that inspectDisk has passed: its format is named, never probed, within 1 GiB and a minute.
 * DISK_REFUSED when QEMU cannot read it or finds it corrupt. Leaked clusters are harmless.
 */
export async function verifyDisk(
  qemu: QemuTool,
  path: string,
  facts: DiskFacts,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const info = await qemu.run(['info', '--output=json', '-f', facts.format, resolve(path)], LOOK, signal);
  if (info.exitCode !== 0) throw refuse(name, `QEMU cannot read it: ${lastLine(info.stderr)}`);
  const seen = infoSchema.parse(JSON.parse(info.stdout))['virtual-size'];
  if (facts.format !== 'raw' && seen !== facts.virtualSize) {
    throw refuse(name, `its virtual size is ${seen} to QEMU and ${facts.virtualSize} by its header`);
  }
  if (!CHECKABLE.includes(facts.format)) return;
  const check = await qemu.run(['check', '--output=json', '-f', facts.format, resolve(path)], LOOK, signal);
  const found = checkSchema.safeParse(parseJson(check.stdout));
  if (![0, 3].includes(check.exitCode) || !found.success) {
    const corrupt =
      found.success && found.data.corruptions ? `${found.data.corruptions} corruptions` : lastLine(check.stderr);
    throw refuse(name, `it is corrupt: qemu-img check found ${corrupt}`);
  }
}

export interface ConvertOptions {
  readonly onProgress?: ((fraction: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** QEMU's own clusters, compressed, where nothing else is said. */
interface ClusterOptions {
  readonly clusterSize?: number;
  readonly compress?: boolean;
}

/**
 * Writes `to`, a compressed qcow2 of the same content. One writer in order, so that the same input gives the same bytes.
 * COMMAND_FAILED, with nothing left at `to`.
 */
export async function convertDisk(
  qemu: QemuTool,
  from: string,
  format: DiskFormat,
  to: string,
  options: ConvertOptions = {},
): Promise<void> {
  return convertWith(qemu, ['-f', format], resolve(from), to, options);
}

/** The same of a chain of qcow2 files, the top first: it is spelt out, and what a header names is not looked at. */
export async function convertChain(
  qemu: QemuTool,
  [top = '', ...below]: readonly string[],
  to: string,
  options: ConvertOptions = {},
): Promise<void> {
  const file = (path: string) => ({ path: resolve(path), format: 'qcow2' as const });
  return convertWith(qemu, [], chainName(file(top), below.map(file)), to, options);
}

/** The same from anything that QEMU can name (`json:` too), with `words` between the options and the names. */
export async function convertWith(
  qemu: QemuTool,
  words: readonly string[],
  from: string,
  to: string,
  options: ConvertOptions & ClusterOptions = {},
): Promise<void> {
  const { clusterSize, compress = true } = options;
  const clusters = clusterSize === undefined ? '' : `,cluster_size=${clusterSize}`;
  const output = [...(compress ? ['-c'] : []), '-O', 'qcow2', '-o', `compression_type=zstd${clusters}`];
  const args = ['convert', '-p', ...words, ...output, from, resolve(to)];
  options.signal?.throwIfAborted();
  const child = qemu.spawn(args, WORK);
  const stop = () => child.kill('SIGTERM');
  options.signal?.addEventListener('abort', stop, { once: true });
  const [stderr] = await Promise.all([collect(child.stderr), watch(child.stdout, options.onProgress)]);
  const { exitCode, signal } = await child.exited;
  options.signal?.removeEventListener('abort', stop);
  if (exitCode === 0) return;
  await rm(to, { force: true });
  options.signal?.throwIfAborted();
  throw commandFailed(['qemu-img', ...args], signal ? `ended by ${signal}` : `exit code ${exitCode}`, stderr);
}

/** Grows the virtual size in place. ARGUMENTS_BAD where it would shrink. */
export async function growDisk(qemu: QemuTool, path: string, from: number, to: number): Promise<void> {
  if (to < from) {
    throw new VirtainersError(
      'ARGUMENTS_BAD',
      `the disk has ${formatSize(from)}, it cannot be made ${formatSize(to)}`,
      {
        hint: 'a disk only grows; give a larger size or none',
      },
    );
  }
  if (to === from) return;
  const result = await qemu.run(['resize', '-q', '-f', 'qcow2', resolve(path), String(to)], LOOK);
  if (result.exitCode !== 0)
    throw commandFailed(['qemu-img', 'resize', path], `exit code ${result.exitCode}`, result.stderr);
}

/** `qemu-img convert -p` writes `    (12.34/100%)\r`. */
async function watch(stdout: AsyncIterable<Buffer> | null, onProgress?: (fraction: number) => void): Promise<void> {
  for await (const chunk of stdout ?? []) {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(chunk.toString('latin1'))?.[1];
    if (percent !== undefined) onProgress?.(Number(percent) / 100);
  }
}

async function collect(stream: AsyncIterable<Buffer> | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text = (text + chunk.toString('utf8')).slice(-4000);
  return text;
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^qemu-img: /, '') || 'no reason given'
  );
}

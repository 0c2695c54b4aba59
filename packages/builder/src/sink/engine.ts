import type { Writable } from 'node:stream';
import { commandFailed, formatSize, toolMissing, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { archiveSegments, type NamedImage } from '../oci/archive.ts';
import { imageSize } from '../oci/image.ts';
import { streamSegments } from '../oci/segments.ts';
import type { SinkResult } from './sink.ts';

export type Engine = 'docker' | 'podman';

/**
 * Streams the archive into `docker load` or `podman load` and checks that the engine knows the image by every reference.
 * Of several of one name it gets that of its own architecture, or the first where it has none. TOOL_MISSING, ENGINE_UNAVAILABLE, COMMAND_FAILED.
 */
export async function loadIntoEngine(
  ctx: BuildContext,
  engine: Engine,
  images: readonly NamedImage[],
): Promise<SinkResult> {
  const named = await forPlatform(ctx, engine, images);
  const target = named.references[0] ?? named.image.configDigest;
  if (await engineHolds(ctx, engine, named)) return { kind: engine, target, written: false };
  ctx.onEvent({ type: 'start', step: 'load', title: `loading into ${engine}` });
  await stream(ctx, engine, named);
  await tag(ctx, engine, named);
  if (!(await engineHolds(ctx, engine, named))) {
    throw new VirtainersError(
      'COMMAND_FAILED',
      `${engine} load ended well, but ${target} is not image ${named.image.configDigest} there`,
    );
  }
  ctx.onEvent({ type: 'end', step: 'load', note: formatSize(imageSize(named.image)), cached: false });
  return { kind: engine, target, written: true };
}

async function forPlatform(ctx: BuildContext, engine: Engine, images: readonly NamedImage[]): Promise<NamedImage> {
  const [first] = images as [NamedImage];
  if (images.length === 1) return first;
  const format = {
    docker: ['version', '--format', '{{.Server.Arch}}'],
    podman: ['info', '--format', '{{.Host.Arch}}'],
  };
  const { stdout } = await ctx.exec(engine, format[engine], { env: ctx.env, signal: ctx.signal });
  return images.find(({ arch }) => arch === stdout.trim()) ?? first;
}

/** Whether the engine has that very image under all its names already. ENGINE_UNAVAILABLE. */
export async function engineHolds(ctx: BuildContext, engine: Engine, named: NamedImage): Promise<boolean> {
  for (const reference of named.references) {
    if (!isImage(named, await imageId(ctx, engine, reference))) return false;
  }
  return named.references.length > 0;
}

/** The id that the engine has for `reference`, without `sha256:`, or undefined. ENGINE_UNAVAILABLE. */
export async function imageId(ctx: BuildContext, engine: Engine, reference: string): Promise<string | undefined> {
  const args = ['image', 'inspect', '--format', '{{.Id}}', reference];
  const { exitCode, stdout, stderr } = await ctx.exec(engine, args, {
    env: ctx.env,
    allowFailure: true,
    signal: ctx.signal,
  });
  if (exitCode === 0) return stdout.trim().replace(/^sha256:/, '');
  if (/cannot connect|is the docker daemon running|connection refused|permission denied/i.test(stderr)) {
    throw new VirtainersError(
      'ENGINE_UNAVAILABLE',
      `asking ${engine} for its images: ${stderr.trim().split('\n').at(-1)}`,
      {
        hint: engine === 'docker' ? 'start the Docker daemon, or set DOCKER_HOST' : undefined,
      },
    );
  }
  return undefined;
}

/** Engines name an image by its config; Docker's containerd store by its manifest or the index around it. */
function isImage({ image }: NamedImage, id: string | undefined): boolean {
  return id !== undefined && [image.configDigest, image.digest].some((digest) => digest.slice(7) === id);
}

async function stream(ctx: BuildContext, engine: Engine, named: NamedImage): Promise<void> {
  const child = ctx.spawn(engine, ['load'], { stdin: 'pipe', env: ctx.env });
  const said = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const total = imageSize(named.image);
  let done = 0;
  const onBytes = (count: number) => {
    done += count;
    ctx.onEvent({ type: 'progress', step: 'load', done: Math.min(done, total), total });
  };
  try {
    const pieces = streamSegments(await archiveSegments([named]), { signal: ctx.signal, onBytes });
    await pour(pieces, child.stdin as Writable);
  } catch (error) {
    child.kill('SIGTERM');
    await child.exited;
    throw error;
  }
  const { exitCode } = await child.exited;
  if (exitCode === 127) throw toolMissing(engine);
  if (exitCode !== 0) throw commandFailed([engine, 'load'], `exit code ${exitCode}`, (await said).join('\n'));
}

/** Writes every piece and waits until it has left; an engine that stops reading early says why on its own. */
async function pour(pieces: AsyncIterable<Buffer>, stdin: Writable): Promise<void> {
  let broken = false;
  stdin.on('error', () => {
    broken = true;
  });
  for await (const piece of pieces) {
    if (broken) return;
    await new Promise<void>((resolve) => stdin.write(piece, () => resolve()));
  }
  await new Promise<void>((resolve) => {
    stdin.once('close', () => resolve());
    stdin.end(() => resolve());
  });
}

/** Where the engine has stored the image under another name than was asked for. */
async function tag(ctx: BuildContext, engine: Engine, named: NamedImage): Promise<void> {
  const known = await firstKnown(ctx, engine, [named.image.configDigest, ...named.references]);
  for (const reference of named.references) {
    if (known && !isImage(named, await imageId(ctx, engine, reference))) {
      await ctx.exec(engine, ['tag', known, reference], { env: ctx.env });
    }
  }
}

async function firstKnown(ctx: BuildContext, engine: Engine, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if ((await imageId(ctx, engine, name)) !== undefined) return name;
  return undefined;
}

async function collect(stream: AsyncIterable<Buffer> | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text = (text + chunk.toString('utf8')).slice(-4000);
  return text;
}

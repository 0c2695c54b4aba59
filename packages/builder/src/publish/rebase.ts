import { join, relative } from 'node:path';
import { type ChainLink, chainName, checkChain, formatSize, requireSound, VirtainersError } from '@virtainers/core';
import { workingIn } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { type InsecureRegistries, isInsecure } from '../oci/reference.ts';
import { findBaseImage } from './base-image.ts';
import { type ImageDisks, takeDisks } from './image-disks.ts';
import { openOrigin } from './open-origin.ts';

export interface RebaseRequest {
  /** A copy of the overlay, in a folder of its own; it is changed. */
  readonly copy: string;
  /** The overlay itself, for comparison; its header has been checked. */
  readonly overlay: string;
  readonly virtualSize: number;
  readonly chain: readonly ChainLink[];
  /** Where the image that it was made from may be. */
  readonly references: readonly string[];
  /** An archive, an OCI layout or a registry's reference: whose disk it shall lie on. */
  readonly onto: string;
  readonly insecure?: InsecureRegistries | undefined;
}

/**
 * Makes of the copy an overlay on another image's disk that shows the guest the very same bytes: whatever the two bases differ
 * in is written into it. Compared in full at the end. Gives back what it lies on now. BASE_MISMATCH, ARCHIVE_INVALID.
 */
export async function rebaseOverlay(ctx: BuildContext, request: RebaseRequest): Promise<readonly ChainLink[]> {
  return workingIn(ctx, 'rebase', async (folder) => {
    const made = await takeDisks(ctx, await findBaseImage(ctx, request, folder), join(folder, 'old'));
    checkChain({ chain: [...request.chain] }, made.chain, request.overlay);
    const next = await takeDisks(
      ctx,
      await openOrigin(ctx, request.onto, { insecure: isInsecure(request.onto, request.insecure) }),
      join(folder, 'new'),
    );
    const top = next.chain.at(-1) as ChainLink;
    if (top.virtualSize > request.virtualSize) {
      throw new VirtainersError(
        'BASE_MISMATCH',
        `rebasing onto ${request.onto}: its disk has ${formatSize(top.virtualSize)}, the overlay shows ${formatSize(request.virtualSize)}`,
        { hint: 'start the machine once with DISK_SIZE at least that large, then rebase it' },
      );
    }
    ctx.onEvent({ type: 'start', step: 'disk', title: `rebasing onto ${request.onto}` });
    await rebase(ctx, request, made, next, folder);
    ctx.onEvent({ type: 'end', step: 'disk', note: top.sha256, cached: false });
    return next.chain;
  });
}

async function rebase(ctx: BuildContext, request: RebaseRequest, made: ImageDisks, next: ImageDisks, folder: string) {
  const { copy, overlay } = request;
  const run = (...args: string[]) => ctx.exec('qemu-img', args, { cwd: folder, signal: ctx.signal });
  const [before, after] = [made, next].map(({ files }) => filesFromTop(files, folder)) as [DiskFiles, DiskFiles];
  const [below, ...others] = after;
  if (!below) throw new Error('an image without disks');
  // The name of the new chain is written into the copy for a moment, where it must be short; the folder is the current one.
  await run('rebase', '-q', '-F', 'qcow2', '-b', chainName(below, others), chainName(qcow2(copy), before));
  await run('rebase', '-q', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', next.chain.at(-1)?.path ?? '', copy);
  // Its clusters that a killed QEMU leaked came along: they are no damage.
  await requireSound(ctx.exec, copy);
  await run('compare', '-q', chainName(qcow2(overlay), before), chainName(qcow2(copy), after));
}

type DiskFiles = readonly ReturnType<typeof qcow2>[];

function filesFromTop(files: readonly string[], folder: string): DiskFiles {
  return files.toReversed().map((file) => qcow2(relative(folder, file)));
}

function qcow2(path: string) {
  return { path, format: 'qcow2' as const };
}

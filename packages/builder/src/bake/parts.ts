import type { Architecture } from '@virtainers/core';
import { once } from '../asynchronous.ts';
import { type BakedDisk, bakeDisk } from '../bake-disk.ts';
import type { BuildContext } from '../context.ts';
import { hostQemuTool, type QemuTool, rootQemuTool } from '../disk/qemu-tool.ts';
import { fileLayer, type Layer } from '../oci/layer.ts';
import { publishedRoot } from '../oci/published-root.ts';
import { makeRuntimeRoot } from '../root/runtime-root.ts';
import { ensureToolRoot, type ToolRoot } from '../root/tool-root.ts';
import type { CommonOptions } from './options.ts';
import type { ImagePlan } from './plan.ts';

/** What images have in common; each is made once, by whoever needs it first. */
export interface SharedParts {
  readonly tools: () => Promise<ToolRoot>;
  readonly qemu: () => Promise<QemuTool>;
  /** The layers below the disk, bottom first, for containers of that architecture. */
  readonly lowerLayers: (arch: Architecture) => Promise<readonly Layer[]>;
}

export function shareParts(ctx: BuildContext, options: CommonOptions): SharedParts {
  const roots = new Map<Architecture, Promise<readonly Layer[]>>();
  const tools = once(() => ensureToolRoot(ctx, options));
  return {
    tools,
    qemu: once(() => findQemu(ctx, tools, options)),
    lowerLayers: (arch) => {
      const made = roots.get(arch) ?? makeRoot(ctx, tools, arch, options).then((root) => [root]);
      roots.set(arch, made);
      return made;
    },
  };
}

/** The disk of one image, as it goes into its layer. */
export function makeDisk(
  ctx: BuildContext,
  { subject, arch, options }: ImagePlan,
  { tools, qemu }: SharedParts,
  locks: CommonOptions,
): Promise<BakedDisk> {
  return bakeDisk(ctx, subject, arch, { tools, qemu, locks }, options);
}

async function makeRoot(
  ctx: BuildContext,
  tools: () => Promise<ToolRoot>,
  arch: Architecture,
  options: CommonOptions,
): Promise<Layer> {
  if (options.runtime !== undefined) return publishedRoot(ctx, options.runtime, { insecure: options.insecure, arch });
  return fileLayer('root', await makeRuntimeRoot(ctx, await tools(), arch, options));
}

/** With a published root nothing is made from packages, and the host's qemu-img will do. */
async function findQemu(ctx: BuildContext, tools: () => Promise<ToolRoot>, options: CommonOptions): Promise<QemuTool> {
  if (options.runtime !== undefined) return hostQemuTool(ctx.exec, ctx.spawn);
  return rootQemuTool(ctx.exec, ctx.spawn, await tools());
}

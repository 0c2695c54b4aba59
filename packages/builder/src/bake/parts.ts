import type { Architecture } from '@virtainers/core';
import { once, onceEach } from '../asynchronous.ts';
import { type BakedDisk, bakeDisk } from '../bake-disk.ts';
import type { BuildContext } from '../context.ts';
import type { For } from '../definition/architectures.ts';
import type { FeatureDefinition } from '../definition/schema.ts';
import { hostQemuTool, type QemuTool, rootQemuTool } from '../disk/qemu-tool.ts';
import { fileLayer, type Layer } from '../oci/layer.ts';
import { publishedRoot } from '../oci/published-root.ts';
import { makeFeatureLayer } from '../root/feature-layer.ts';
import { publishedRootPackages, type RootPackage } from '../root/root-packages.ts';
import { makeRuntimeRoot } from '../root/runtime-root.ts';
import { ensureToolRoot, type ToolRoot } from '../root/tool-root.ts';
import { customizeBaked } from './customize.ts';
import type { CommonOptions } from './options.ts';
import type { ImagePlan } from './plan.ts';

/** What images have in common; each is made once, by whoever needs it first. */
export interface SharedParts {
  readonly tools: () => Promise<ToolRoot>;
  readonly qemu: () => Promise<QemuTool>;
  /** For containers of that architecture. */
  readonly root: (arch: Architecture) => Promise<BakedRoot>;
  /** The layers below the disk, bottom first: the root and the image's features. */
  readonly lowerLayers: (plan: Pick<ImagePlan, 'platform' | 'features'>) => Promise<readonly Layer[]>;
}

interface BakedRoot {
  readonly layer: Layer;
  readonly packages: () => Promise<readonly RootPackage[]>;
}

export function shareParts(ctx: BuildContext, options: CommonOptions): SharedParts {
  const tools = once(() => ensureToolRoot(ctx, options));
  const root = onceEach((arch: Architecture) => makeRoot(ctx, tools, arch, options));
  const featuresOf = onceEach((arch: Architecture) =>
    onceEach(
      async (feature: For<FeatureDefinition>) => {
        const packages = await (await root(arch)).packages();
        return fileLayer(
          `feature-${feature.name}`,
          await makeFeatureLayer(ctx, await tools(), feature, arch, packages, options),
        );
      },
      ({ name }) => name,
    ),
  );
  return {
    tools,
    qemu: once(() => findQemu(ctx, tools, options)),
    root,
    lowerLayers: async ({ platform, features }) => [
      (await root(platform)).layer,
      ...(await Promise.all(features.map(featuresOf(platform)))),
    ],
  };
}

/** The disk of one image, as it goes into its layer. */
export async function makeDisk(
  ctx: BuildContext,
  plan: ImagePlan,
  parts: SharedParts,
  locks: CommonOptions,
): Promise<BakedDisk> {
  const { subject, arch, options, customization } = plan;
  const { tools, qemu } = parts;
  const baked = await bakeDisk(ctx, subject, arch, { tools, qemu, locks }, { ...options, insecure: locks.insecure });
  return customization ? customizeBaked(ctx, plan, parts, baked, customization) : baked;
}

async function makeRoot(
  ctx: BuildContext,
  tools: () => Promise<ToolRoot>,
  arch: Architecture,
  options: CommonOptions,
): Promise<BakedRoot> {
  if (options.runtime !== undefined) {
    const layer = await publishedRoot(ctx, options.runtime, { insecure: options.insecure, arch });
    return { layer, packages: once(() => publishedRootPackages(layer)) };
  }
  const root = await makeRuntimeRoot(ctx, await tools(), arch, options);
  return { layer: fileLayer('root', root), packages: async () => root.packages };
}

/** With a published root nothing is made from packages, and the host's qemu-img will do. */
async function findQemu(ctx: BuildContext, tools: () => Promise<ToolRoot>, options: CommonOptions): Promise<QemuTool> {
  if (options.runtime !== undefined) return hostQemuTool(ctx.exec, ctx.spawn);
  return rootQemuTool(ctx.exec, ctx.spawn, await tools());
}

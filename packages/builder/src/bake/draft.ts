import type { Machine } from '@virtainers/core';
import type { BakedDisk } from '../bake-disk.ts';
import type { BuildContext } from '../context.ts';
import { guessGuestOs } from '../guest-os.ts';
import type { ImageDraft } from '../oci/archive.ts';
import { planAppLayer, planDiskLayer } from '../oci/guest-layers.ts';
import { assembleImage } from '../oci/image.ts';
import { imageLabels, type Provenance } from '../oci/labels.ts';
import type { Layer } from '../oci/layer.ts';
import { recallDigests } from './digests.ts';
import type { ImagePlan } from './plan.ts';

/** An image whose parts are made: its layers, and the documents that will stand around them. */
export async function draftImage(
  ctx: BuildContext,
  plan: ImagePlan,
  lower: readonly Layer[],
  baked: BakedDisk,
): Promise<ImageDraft> {
  const mtime = ctx.sourceDateEpoch;
  const machine = describeMachine(plan, baked);
  const { arch, ports } = machine;
  const upper = [await planDiskLayer(machine, baked.disk, mtime), await planAppLayer(ctx.assetsDir, mtime)];
  const labels = imageLabels(machine, provenance(plan, baked, lower[0] as Layer, mtime));
  return {
    plans: await recallDigests(ctx, [...lower, ...upper]),
    name: (layers) => ({
      image: assembleImage(layers, { arch, created: mtime, labels, ports }),
      references: plan.references,
      arch,
      mtime,
    }),
  };
}

function describeMachine({ subject, options, name, arch, firmware }: ImagePlan, { disk }: BakedDisk): Machine {
  const own = subject.kind === 'definition' ? subject.definition : { ...guessGuestOs(subject.stem) };
  const known: Partial<Pick<Machine, 'ports' | 'minRamMiB'>> = 'ports' in own ? own : {};
  return {
    formatVersion: 1,
    name,
    arch,
    osinfo: options.osinfo ?? own.osinfo,
    user: options.user ?? own.user,
    ...firmware,
    ports: [...(options.ports ?? known.ports ?? [22])],
    ...(known.minRamMiB === undefined ? {} : { minRamMiB: known.minRamMiB }),
    ...(disk && { disk: { format: 'qcow2', sha256: disk.sha256, size: disk.size, virtualSize: disk.virtualSize } }),
  };
}

function provenance({ subject, features }: ImagePlan, baked: BakedDisk, root: Layer, created: number): Provenance {
  const { sourceDigest, convertedBy } = baked;
  const common = { created, root: root.diffID, features: features.map(({ name }) => name), sourceDigest, convertedBy };
  if (subject.kind !== 'definition') {
    return { ...common, title: subject.stem, license: undefined, homepage: undefined, source: subject.label };
  }
  const { title, license, homepage, name } = subject.definition;
  return { ...common, title, license, homepage, source: baked.vendor?.url ?? name, trust: baked.vendor?.trust };
}

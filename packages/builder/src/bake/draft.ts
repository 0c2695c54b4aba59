import { type Machine, VirtainersError } from '@virtainers/core';
import type { BakedDisk } from '../bake-disk.ts';
import type { BuildContext } from '../context.ts';
import type { Firmware } from '../firmware.ts';
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
  const { ports } = machine;
  const { platform: arch } = plan;
  const disk = { ...(await planDiskLayer(machine, baked.disk, mtime)), contents: baked.disk?.contents };
  const upper = [disk, await planAppLayer(ctx.assetsDir, mtime)];
  const labels = imageLabels(machine, provenance(plan, baked, lower[0] as Layer, mtime), plan.options.labels);
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

/** machine.json of the image, whose disk may not be made yet. */
export function describeMachine(
  plan: ImagePlan,
  { disk, image, customized }: Partial<Pick<BakedDisk, 'disk' | 'image' | 'customized'>>,
): Machine {
  const { subject, options, name, arch } = plan;
  const said =
    subject.kind === 'definition' ? subject.definition : { ...guessGuestOs(subject.stem), ...image?.machine };
  const own: Pick<Machine, 'osinfo' | 'user'> & Partial<Pick<Machine, 'ports' | 'minRamMiB' | 'ignition' | 'seed'>> =
    said;
  const given = customized ?? image?.machine?.customized;
  return {
    formatVersion: 1,
    name: image?.machine?.name ?? name,
    arch,
    osinfo: options.osinfo ?? own.osinfo,
    user: options.user ?? own.user,
    ...firmwareOf(plan, image?.machine),
    ports: [...(options.ports ?? own.ports ?? [22])],
    ...(own.minRamMiB === undefined ? {} : { minRamMiB: own.minRamMiB }),
    ...(own.ignition === undefined ? {} : { ignition: own.ignition }),
    ...(own.seed === undefined ? {} : { seed: own.seed }),
    ...(given && { customized: given }),
    ...(disk && { disk: { format: 'qcow2', sha256: disk.sha256, size: disk.size, virtualSize: disk.virtualSize } }),
  };
}

/** ARGUMENTS_BAD where another virtainer's disk boots with what this image was not planned with. */
function firmwareOf({ source, firmware, options }: ImagePlan, machine: Machine | undefined): Firmware {
  if (machine === undefined || options.firmware !== undefined) return firmware;
  const { firmware: its, secureBoot } = machine;
  if (its === firmware.firmware) return { ...firmware, ...(secureBoot ? { secureBoot } : {}) };
  throw new VirtainersError('ARGUMENTS_BAD', `${source} boots with ${its}, not with ${firmware.firmware}`, {
    hint: `say so: --firmware ${its}`,
  });
}

function provenance({ subject, features }: ImagePlan, baked: BakedDisk, root: Layer, created: number): Provenance {
  const { sourceDigest, convertedBy, image } = baked;
  const made = { created, root: root.diffID, features: features.map(({ name }) => name) };
  const common = { ...made, sourceDigest, sourceImage: image?.digest, convertedBy };
  if (subject.kind !== 'definition') {
    return { ...common, title: subject.stem, license: undefined, homepage: undefined, source: subject.label };
  }
  const { title, license, homepage, name } = subject.definition;
  return { ...common, title, license, homepage, source: baked.vendor?.url ?? name, trust: baked.vendor?.trust };
}

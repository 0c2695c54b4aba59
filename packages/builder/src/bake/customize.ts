import { VirtainersError } from '@virtainers/core';
import type { BakedDisk } from '../bake-disk.ts';
import type { BuildContext } from '../context.ts';
import { customizeDisk } from '../customize/customize-disk.ts';
import { describeCustomization } from '../customize/describe.ts';
import type { Customization } from '../customize/wish.ts';
import { describeMachine } from './draft.ts';
import type { SharedParts } from './parts.ts';
import type { ImagePlan } from './plan.ts';

/** The disk with what is asked for in it. CAPABILITY_MISSING where this machine cannot run the image's runtime. */
export async function customizeBaked(
  ctx: BuildContext,
  plan: ImagePlan,
  parts: SharedParts,
  baked: BakedDisk,
  wish: Customization,
): Promise<BakedDisk> {
  if (!baked.disk) return baked;
  checkPlatform(plan);
  const machine = describeMachine(plan, { image: baked.image });
  if (machine.ignition !== undefined) throw noCloudInit(plan);
  const about = describeCustomization(wish, baked.disk.sha256);
  const [layers, qemu] = await Promise.all([parts.lowerLayers(plan), parts.qemu()]);
  const room = { layers, qemu, machine, digest: about.digest };
  const disk = await customizeDisk(ctx, baked.disk, wish, room);
  return { ...baked, disk, customized: about, convertedBy: qemu.version };
}

const NODE_NAMES = { amd64: 'x64', arm64: 'arm64' } as const;

/** The runtime that boots the disk is the image's own. */
function checkPlatform({ name, platform }: ImagePlan): void {
  if (process.arch === NODE_NAMES[platform]) return;
  const message = `customizing ${name}: its containers are for ${platform}, which this machine is not`;
  throw new VirtainersError('CAPABILITY_MISSING', message, { hint: 'customize it on a machine of that architecture' });
}

function noCloudInit({ name }: ImagePlan): VirtainersError {
  return new VirtainersError(
    'CUSTOMIZE_INVALID',
    `customizing ${name}: it is set up by Ignition, and needs cloud-init`,
    {
      hint: 'give each machine an Ignition config instead',
    },
  );
}

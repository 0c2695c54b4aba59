import { rename } from 'node:fs/promises';
import {
  bindOverlay,
  type ChainLink,
  type DataPaths,
  type Digest,
  type DiskFile,
  type Exec,
  isAccessible,
  type Log,
  newSidecar,
  putMachineAside,
  type Sidecar,
  syncDirectory,
  writeSidecar,
} from '@virtainers/core';
import { own, type Users } from './data-folder.ts';
import { createOverlay, syncFile } from './overlay.ts';

export interface MakeOptions extends Users {
  readonly reference: string | undefined;
  readonly diffIDs?: readonly Digest[] | undefined;
  readonly log: Log;
  readonly onStep?: ((step: string) => void | Promise<void>) | undefined;
}

/**
 * Makes an overlay and its sidecar where no overlay is. What belongs to one that was there before is put aside, once the new one
 * is whole on the disk and before it gets its name: an overlay never meets what another one left. Killed at any moment,
 * the next start begins anew, or, once the overlay has its name, finishes.
 */
export async function makeMachine(
  exec: Exec,
  plan: { readonly chain: readonly ChainLink[]; readonly size: number },
  [below]: readonly DiskFile[],
  paths: DataPaths,
  options: MakeOptions,
): Promise<Sidecar> {
  if (!below) throw new Error('a new overlay without a base');
  const { folder, temp, sidecarTemp } = paths;
  const sidecar = describeMachine(undefined, plan.chain, options);
  await writeSidecar(sidecarTemp, sidecar);
  await own(sidecarTemp, folder, options);
  await options.onStep?.('sidecar');
  await createOverlay(exec, temp, below, plan.size);
  await bindOverlay(temp, plan.chain);
  await own(temp, folder, options);
  await syncFile(temp);
  await options.onStep?.('overlay made');
  const aside = await putMachineAside(paths, new Date());
  if (aside.length > 0) options.log.warn(toldAside(paths, aside));
  await options.onStep?.('put aside');
  await rename(temp, paths.overlay);
  await syncDirectory(folder);
  await options.onStep?.('overlay named');
  await finishMaking(paths);
  return sidecar;
}

function toldAside({ overlay }: DataPaths, aside: readonly string[]): string {
  return `${overlay} is made anew; what belonged to the disk that was there before is put aside, and goes with it if it is put back: ${aside.join(', ')}`;
}

/** Gives the sidecar of an overlay that is made its name, unless that was done. */
export async function finishMaking({ folder, sidecar, sidecarTemp }: DataPaths): Promise<void> {
  if ((await isAccessible(sidecar)) || !(await isAccessible(sidecarTemp))) return;
  await rename(sidecarTemp, sidecar);
  await syncDirectory(folder);
}

/** What the sidecar is to say; undefined: it is a machine's first. */
export function describeMachine(
  sidecar: Sidecar | undefined,
  chain: readonly ChainLink[],
  { reference = sidecar?.reference, diffIDs }: Pick<MakeOptions, 'reference' | 'diffIDs'>,
): Sidecar {
  const { diffIDs: _, ...made } = sidecar ?? newSidecar(chain, reference);
  return {
    ...{ ...made, chain: [...chain] },
    ...(reference === undefined ? {} : { reference }),
    ...(diffIDs === undefined ? {} : { diffIDs: [...diffIDs] }),
  };
}

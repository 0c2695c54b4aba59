import { workingIn } from '@virtainers/builder';
import { type DataPaths, dataPaths, formatSize } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import type { FoundContainer } from '../engine/container.ts';
import { askMachine } from '../live/ask-machine.ts';
import { copyData, dataPlace, mayRead } from './data-place.ts';

/**
 * Has the supervisor of a running machine copy the disk as it is at one moment, and keep the copy for the time of `use`: where it
 * lies, if that is on this machine, else another copy in the cache. What askMachine throws.
 */
export async function withRunningCopy<T>(
  context: HostContext & { readonly cacheDir: string },
  container: FoundContainer,
  use: (paths: DataPaths) => Promise<T>,
): Promise<T> {
  const { facts } = container;
  context.log.info(
    `${facts.name} is running: its disk is copied as it is now; the copy lies in its data folder meanwhile`,
  );
  const { answer, end } = await askMachine(context, container, ['copy'], 'copied');
  try {
    const how = answer.frozen
      ? 'its file systems were frozen for that moment'
      : 'no agent could freeze its file systems: it is as after a power cut';
    context.log.info(`${facts.name}: ${formatSize(answer.size)} copied; ${how}`);
    if (answer.snapshots > 0) context.log.info(`  its ${answer.snapshots} snapshots are not in the copy`);
    const { inside, here } = dataPlace(context, container);
    const local = here && dataPaths(here);
    if (local && (await mayRead(local.copy, local.sidecar))) return await use({ ...local, overlay: local.copy });
    return await workingIn(context, 'data', async (folder) => {
      await copyData(container, dataPaths(inside), dataPaths(inside).copy, folder);
      const paths = dataPaths(folder);
      return use({ ...paths, overlay: paths.copy });
    });
  } finally {
    await end();
  }
}

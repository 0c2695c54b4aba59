import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Exec, VirtainersError } from '@virtainers/core';

/**
 * Makes the node by which a macvtap is opened, /dev/tapN with N the index of the device, as libvirt looks for it: no udev
 * does that in a container. Gives its path.
 */
export async function makeTapNode(exec: Exec, device: string, sys = '/sys/class/net', dev = '/dev'): Promise<string> {
  const folder = join(sys, device);
  const node = (await readdir(folder).catch(() => [])).find((name) => /^tap\d+$/.test(name));
  if (node === undefined) {
    throw new VirtainersError('NETWORK_UNAVAILABLE', `${folder} does not name the node of the macvtap`, {
      hint: "the container's /sys must be that of its network namespace; NETWORK_MODE=bridge does without",
    });
  }
  const numbers = (await readFile(join(folder, node, 'dev'), 'utf8')).trim().split(':');
  const path = join(dev, node);
  // One of that number is left of a macvtap that is gone.
  await rm(path, { force: true });
  await exec('mknod', ['-m', '600', path, 'c', ...numbers]);
  return path;
}

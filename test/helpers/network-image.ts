import { join } from 'node:path';
import { fastGuest } from './fast-guest.ts';
import { cacheFolder } from './folders.ts';
import { virtainers } from './virtainer.ts';

/** The fast guest's image with QEMU's drivers for disks on a network. */
export async function networkImage(): Promise<{ archive: string; reference: string }> {
  const archive = join(await cacheFolder('images'), 'fast-rbd.tar');
  const facts = ['--user', 'root', '--osinfo', 'debian12', '--name', 'virtainers/fast:rbd'];
  await virtainers('bake', await fastGuest(), ...facts, '--feature', 'rbd', '--output', archive);
  return { archive, reference: 'docker.io/virtainers/fast:rbd' };
}

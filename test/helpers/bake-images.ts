import { bakedImage, fastImage } from './virtainer.ts';

/** Vitest's global setup of the e2e project: what most of its files start, made before they run side by side. */
export async function setup(): Promise<void> {
  await fastImage();
  await bakedImage('debian:13-packages');
}

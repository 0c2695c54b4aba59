import { IN_IMAGE } from '@virtainers/core';

/**
 * The health check as flags: an image's own is lost when Podman pulls it from a registry (the OCI config has no field for it).
 * The numbers are the image's own (builder, oci/image.ts). Docker and Podman read them alike.
 */
export const HEALTH_FLAGS: readonly string[] = [
  '--health-cmd',
  `/usr/bin/node ${IN_IMAGE.runtime} health`,
  '--health-interval',
  '10s',
  '--health-timeout',
  '5s',
  '--health-start-period',
  '600s',
  '--health-retries',
  '3',
];

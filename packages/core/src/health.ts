import { IN_IMAGE } from './machine.ts';

/**
 * The health check of a virtainer: the image's config carries it, and `run` says it again, for Podman drops it from what it
 * pulls. Times in seconds.
 */
export const HEALTH_CHECK = {
  command: ['/usr/bin/node', IN_IMAGE.runtime, 'health'],
  interval: 10,
  timeout: 5,
  /** As long as a guest may take until it counts as degraded (READY_TIMEOUT). */
  startPeriod: 600,
  retries: 3,
} as const;

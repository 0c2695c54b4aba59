import { HEALTH_CHECK } from '@virtainers/core';

/** The health check as flags, which Docker and Podman read alike: an image's own is lost when Podman pulls it from a registry. */
export const HEALTH_FLAGS: readonly string[] = [
  ...['--health-cmd', HEALTH_CHECK.command.join(' ')],
  ...['--health-interval', `${HEALTH_CHECK.interval}s`],
  ...['--health-timeout', `${HEALTH_CHECK.timeout}s`],
  ...['--health-start-period', `${HEALTH_CHECK.startPeriod}s`],
  ...['--health-retries', String(HEALTH_CHECK.retries)],
];

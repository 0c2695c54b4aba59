import type { Status } from '@virtainers/core';
import { type FoundContainer, waitUntilReady } from '@virtainers/host';
import type { CliContext } from './context.ts';

/** Waits until the guest is ready; every state on the way is a step of the display. */
export async function waitVisibly(cli: CliContext, found: FoundContainer): Promise<Status> {
  let last: Status | undefined;
  const show = (status: Status) => {
    if (last && last.state !== status.state) cli.display.end(last.state, took(last, status));
    if (last?.state !== status.state) cli.display.start(status.state, `${found.facts.name}: ${status.state}`);
    last = status;
  };
  const status = await waitUntilReady(cli, found, show);
  cli.display.end(status.state, status.message ?? 'log in now');
  return status;
}

/** How long `from` lasted, as the supervisor's clock has it. */
function took(from: Status, to: Status): string {
  return `${((Date.parse(to.since) - Date.parse(from.since)) / 1000).toFixed(1)} s`;
}

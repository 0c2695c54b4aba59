import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { followFile, type GuestReport, makeReport } from './report.ts';
import { allGone, hasEntered, type SandboxPlan, sandboxCommand, sandboxEnvironment } from './sandbox.ts';

/** Where the guest's ports lead, in the sandbox's /tmp. */
const REPORT = 'bake-report';
export const PAYLOAD = 'bake-payload.tar';

/** An emulated guest on a busy host takes minutes; one without cloud-init would take for ever. */
const BEGIN_MINUTES = 15;

/** Two ports of the guest: one reads the payload, what it writes to the other is its report. QEMU makes devices in JSON last, and libvirt's bus is one. */
export function portArguments(): string[] {
  const port = (name: string, nr: number, files: string) => {
    const device = { driver: 'virtserialport', bus: 'virtio-serial0.0', nr, chardev: `bake-${name}` };
    const named = { ...device, name: `io.virtainers.bake.${name}` };
    return ['-chardev', `file,id=bake-${name},${files}`, '-device', JSON.stringify(named)];
  };
  return [...port('in', 20, `path=/dev/null,input-path=/tmp/${PAYLOAD}`), ...port('out', 21, `path=/tmp/${REPORT}`)];
}

/** The file of the report, made before QEMU writes to it. */
export function reportPath(work: string): string {
  return join(work, 'tmp', REPORT);
}

/**
 * Boots the disk once, until it has turned itself off, done and cleaned. Whatever ends this, nothing of it goes on.
 * SANDBOX_UNAVAILABLE; CUSTOMIZE_FAILED with the end of what the failing step has printed.
 */
export async function bootOnce(
  ctx: BuildContext,
  plan: SandboxPlan,
  name: string,
  onStep: (step: string) => void,
): Promise<GuestReport> {
  const [program, ...args] = sandboxCommand(plan);
  const child = ctx.spawn(program, args, { detached: true, env: sandboxEnvironment(ctx) });
  const kill = () => child.kill('SIGKILL');
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    kill();
  }, BEGIN_MINUTES * 60_000);
  const { report, read } = makeReport(
    ({ began, step, failure }) => {
      if (began) clearTimeout(deadline);
      if (failure) kill();
      onStep(step);
    },
    (line) => ctx.log.debug(`guest: ${line}`),
  );
  const following = await followFile(reportPath(plan.work), read);
  const consoleTail = keepTail(child.stdout, (line) => ctx.log.debug(`console: ${line}`));
  const said = keepTail(child.stderr, (line) => ctx.log.debug(line));
  ctx.signal?.addEventListener('abort', kill, { once: true });
  if (ctx.signal?.aborted) kill();
  const exitCode = await allGone(child);
  ctx.signal?.removeEventListener('abort', kill);
  clearTimeout(deadline);
  await following.end();
  ctx.signal?.throwIfAborted();
  if (report.done && exitCode === 0) return report;
  if (!(await hasEntered(plan.work))) throw noSandbox(program, exitCode, said());
  throw failed(name, report, late, exitCode, report.began ? report.tail : consoleTail() + said());
}

function keepTail(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): () => string {
  let tail = '';
  if (stream) {
    createInterface({ input: stream }).on('line', (line) => {
      tail = `${tail}${line}\n`.slice(-2000);
      onLine(line);
    });
  }
  return () => tail;
}

function noSandbox(program: string, exitCode: number | null, said: string): VirtainersError {
  const why = said.trim() || `${program} ended with ${exitCode}`;
  return new VirtainersError('SANDBOX_UNAVAILABLE', `making namespaces to boot the disk in: ${why}`, {
    hint: 'customizing needs util-linux, and root or user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0)',
  });
}

function failed(
  name: string,
  report: GuestReport,
  late: boolean,
  exitCode: number | null,
  tail: string,
): VirtainersError {
  const { failure, began, step } = report;
  const what = failure
    ? `${failure.what}: exit code ${failure.code}`
    : late
      ? `cloud-init did not start in the guest within ${BEGIN_MINUTES} minutes`
      : `the guest ended at "${began ? step : 'booting'}" (exit code ${exitCode})`;
  const end = tail.trim();
  const message = `customizing ${name}: ${what}${end ? `\n${end.replace(/^/gm, '  ')}` : ''}`;
  return new VirtainersError('CUSTOMIZE_FAILED', message, { hint: '--debug shows all that the guest prints' });
}

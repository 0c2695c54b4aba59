import type { Virsh } from '../domain/virsh.ts';
import type { Deps } from './deps.ts';
import type { Parts } from './prepare.ts';

/**
 * Tells a guest that slept what has changed: the time, by its agent; and that its network may be another, by pulling each cable
 * for a moment, upon which DHCP asks again. That the agent answers in between shows that the guest has run meanwhile.
 */
export async function wakeGuest({ log }: Pick<Deps, 'log'>, { network }: Pick<Parts, 'network'>, virsh: Virsh) {
  const macs = network.nics.flatMap((nic) => nic.interface?.mac ?? []);
  for (const mac of macs) await virsh.setLink(mac, 'down');
  const behind = await setClock(virsh.agent, Date.now);
  for (const mac of macs) await virsh.setLink(mac, 'up');
  if (behind !== undefined && Math.abs(behind) < TOLERANCE_MS) return log.info("the guest's clock is set");
  log.warn(
    behind === undefined
      ? "the guest's clock is behind until the guest sets it itself: no guest agent answers"
      : `the guest's clock is about ${Math.round(behind / 1000)} s behind until the guest sets it itself: the guest agent could not set it`,
  );
}

const TOLERANCE_MS = 2000;
/** A busy machine may need so long for a question to the agent that the answer is late; then it is asked again. */
const ATTEMPTS = 5;

/** Sets the guest's clock. Gives back by how many ms it is behind now; undefined: no agent answers. */
export async function setClock(ask: Virsh['agent'], now: () => number): Promise<number | undefined> {
  let behind: number | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    // In ns since 1970. The agent refuses where there is no hwclock(8), as in a small Debian (QEMU, qga/commands-posix.c).
    if ((await ask('guest-set-time', { time: now() * 1e6 })) === undefined)
      await ask('guest-exec', { path: 'date', arg: ['-u', '-s', `@${Math.round(now() / 1000)}`] });
    const told = await ask('guest-get-time');
    if (typeof told !== 'number') return undefined;
    behind = now() - told / 1e6;
    if (Math.abs(behind) < TOLERANCE_MS) break;
  }
  return behind;
}

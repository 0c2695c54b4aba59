import type { Virsh } from '../domain/virsh.ts';
import type { NetworkPlan } from '../network/mode.ts';
import { startRelays } from '../network/relay.ts';
import { hostForwardCommand } from '../network/user.ts';
import { forwardsOf } from './network.ts';
import type { Undo } from './undo.ts';

/** What only a running QEMU can be told to open, and what the supervisor carries to it. */
export async function openForwards(
  virsh: Virsh,
  { nics }: NetworkPlan,
  undo: Undo,
  warn: (line: string) => void,
): Promise<void> {
  // libvirt calls the backend of the guest's NIC number N `hostnetN` (src/qemu/qemu_alias.c).
  const numbered = nics.filter((nic) => nic.interface !== undefined).map((nic, index) => ({ ...nic, index }));
  for (const { forwards, index } of numbered.filter(({ mode }) => mode === 'user')) {
    for (const forward of forwards) {
      const said = await virsh.monitor(hostForwardCommand(`hostnet${index}`, forward));
      if (said) warn(`port ${forward.port}/${forward.protocol} is not forwarded: ${said}`);
    }
  }
  const relays = await startRelays(forwardsOf(nics), warn);
  undo('the relays', () => relays.stop());
}

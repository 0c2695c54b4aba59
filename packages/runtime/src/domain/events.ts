/** What a domain tells us, of what virsh prints as `event 'lifecycle' for domain 'vm': Stopped Shutdown`. */
export type DomainEvent =
  | { readonly type: 'stopped'; readonly reason: StopReason }
  | { readonly type: 'panicked' }
  | { readonly type: 'rebooted' }
  | { readonly type: 'agent'; readonly connected: boolean }
  /** QEMU wanted to write to this file, and its file system had no room: the guest stands still until it is resumed. */
  | { readonly type: 'full'; readonly path: string }
  | { readonly type: 'resumed' };

/** shutdown: the guest powered off; destroyed: somebody pulled the plug; crashed: panic or QEMU's death; failed: QEMU could not go on. */
export type StopReason = 'shutdown' | 'destroyed' | 'crashed' | 'saved' | 'failed';

const REASONS: Readonly<Record<string, StopReason>> = {
  Shutdown: 'shutdown',
  Destroyed: 'destroyed',
  Crashed: 'crashed',
  Saved: 'saved',
  Failed: 'failed',
};

/** One line of `virsh event`; undefined where it does not matter here. */
export function parseDomainEvent(line: string, domain: string): DomainEvent | undefined {
  const match = /^event '([a-z-]+)' for domain '(.*?)'(?:: (.*))?$/.exec(line.trim());
  if (!match || match[2] !== domain) return undefined;
  const [, kind, , detail = ''] = match;
  if (kind === 'reboot') return { type: 'rebooted' };
  if (kind === 'agent-lifecycle') return { type: 'agent', connected: detail.includes("state: 'connected'") };
  if (kind === 'io-error') return parseFull(detail);
  if (kind !== 'lifecycle') return undefined;
  const [what = '', why = ''] = detail.split(' ');
  if (what === 'Resumed') return { type: 'resumed' };
  if (what === 'Crashed') return { type: 'panicked' };
  if (what === 'Stopped') return { type: 'stopped', reason: REASONS[why] ?? 'failed' };
  return undefined;
}

/** `/mounted/local_image.qcow2 (virtio-disk0) pause due to enospc`; the same comes once more without its reason. */
function parseFull(detail: string): DomainEvent | undefined {
  const path = /^(.*) \(\S+\) pause due to enospc$/.exec(detail)?.[1];
  return path === undefined ? undefined : { type: 'full', path };
}

/**
 * How the last domain of libvirt's log ended, of lines such as `2026-01-02 03:04:05.678+0000: shutting down, reason=crashed`
 * (libvirt, src/qemu/qemu_process.c, qemuProcessStop). Undefined where it has not.
 */
export function parseLastReason(log: string): StopReason | undefined {
  const [last] = [...log.matchAll(/: (starting up |shutting down, reason=([a-z]+))/g)].toReversed();
  if (last?.[2] === undefined) return undefined;
  const [, reason] = Object.entries(REASONS).find(([word]) => word.toLowerCase() === last[2]) ?? [];
  return reason ?? 'failed';
}

import { readFile } from 'node:fs/promises';

/** What the network namespace lets programs without privileges open. */
export interface SocketFacts {
  /** `22/tcp`, `53/udp`: somebody has them already. */
  readonly portsInUse: ReadonlySet<string>;
  /** The group may open sockets for ICMP echo (icmp(7)). */
  readonly mayPing: boolean;
}

export async function readSocketFacts(gid: number): Promise<SocketFacts> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const [range, ...tables] = await Promise.all(
    ['sys/net/ipv4/ping_group_range', 'net/tcp', 'net/tcp6', 'net/udp', 'net/udp6'].map((name) =>
      read(`/proc/${name}`),
    ),
  );
  const [tcp = '', tcp6 = '', udp = '', udp6 = ''] = tables;
  const ports = [...parsePorts(tcp + tcp6, LISTENING).map((port) => `${port}/tcp`)];
  ports.push(...parsePorts(udp + udp6, UNCONNECTED).map((port) => `${port}/udp`));
  return { portsInUse: new Set(ports), mayPing: isInRange(gid, range ?? '') };
}

/** The kernel's numbers of states (net/tcp_states.h); a UDP socket that waits for anybody is in that of a closed TCP one. */
const LISTENING = '0A';
const UNCONNECTED = '07';

/** proc_pid_net(5): second column local address and port, fourth the state, all in hexadecimal. */
export function parsePorts(table: string, wanted: string): number[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
    return state === wanted && port > 0 ? [port] : [];
  });
}

/** `0 2147483647`; `1 0` is nobody. */
export function isInRange(gid: number, range: string): boolean {
  const [first = 1, last = 0] = range.trim().split(/\s+/).map(Number);
  return range.trim() !== '' && gid >= first && gid <= last;
}

import { type Exec, type Prefix, parsePrefix } from '@virtainers/core';
import { type HostNetworks, readHostNetworks } from '../network/host.ts';
import { execOf } from './context.ts';

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`no prefix: ${text}`);
  return parsed;
}

/** A machine on a LAN, with a bridge of Docker's and a VPN, as `ip` tells of it. */
export const IP_ANSWERS = {
  'ip -json address show': answer([
    link('lo', ['127.0.0.1', 8], ['::1', 128]),
    link('eth0', ['192.168.2.160', 24], ['fd42::160', 64], ['fe80::1', 64]),
    link('eth1'),
    link('docker0', ['172.17.0.1', 16]),
    {},
  ]),
  'ip -json -4 route show': answer([
    { dst: 'default', gateway: '192.168.2.1', dev: 'eth0', flags: [] },
    { dst: '10.99.0.0/16', gateway: '192.168.2.5', dev: 'eth0', flags: [] },
    { dst: '172.17.0.0/16', dev: 'docker0', flags: ['linkdown'] },
    { dst: '192.168.2.0/24', dev: 'eth0', flags: [] },
    { type: 'unreachable', dst: '10.98.0.1', flags: [] },
  ]),
  'ip -json -6 route show': answer([
    { dst: 'fd42::/64', dev: 'eth0', flags: [] },
    { dst: 'default', gateway: 'fe80::ff', dev: 'eth0', flags: [] },
    { dst: 'default', via: { family: 'inet', host: '192.168.2.1' }, dev: 'eth0', flags: [] },
  ]),
} as const;

export function hostNetworks(exec: Exec = execOf(IP_ANSWERS)): Promise<HostNetworks> {
  return readHostNetworks(exec);
}

function answer(value: unknown): { stdout: string } {
  return { stdout: JSON.stringify(value) };
}

function link(ifname: string, ...addresses: (readonly [local: string, prefixlen: number])[]): object {
  return { ifname, addr_info: addresses.map(([local, prefixlen]) => ({ local, prefixlen })) };
}

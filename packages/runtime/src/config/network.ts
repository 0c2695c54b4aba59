import type { Port } from '../guest/port.ts';
import { MODE_NAMES, type ModeName, type NetworkAsk, type NetworkOptions } from '../network/mode.ts';
import type { Reader } from './reader.ts';
import type { SettingName } from './settings.ts';
import * as value from './values.ts';

export interface NetworkSettings {
  readonly ask: NetworkAsk;
  readonly options: NetworkOptions;
}

/** The network's settings, those of the seeds included: theirs select their mode where NETWORK_MODE is not set. */
export function readNetwork(reader: Reader, exposed: readonly Port[]): NetworkSettings {
  const attachAll = reader.read('AUTO_ATTACH', value.parseFirstLetter, undefined);
  const named = reader.read('ATTACH_IFACES', value.parseInterfaces, undefined);
  const bridges = reader.read('USE_NET_BRIDGES', value.parseFirstLetter, false);
  const answering = reader.read('ENABLE_DHCP', value.parseFirstLetter, true);
  // RancherVM: any text means yes.
  const dhcp = answering && reader.text('NO_DHCP') === undefined;
  const ask = readAsk(reader, bridges);
  if (!dhcp) requireOtherDhcp(reader, ask);
  return {
    ask: ask ?? { kind: 'auto' },
    options: {
      // BBVA/kvm: yes is every interface, whatever is named; with no and no names the guest has no NIC.
      attach: (attachAll ?? named === undefined) ? undefined : (named ?? []),
      selectedNetwork: reader.read('SELECTED_NETWORK', value.parseNetwork, undefined),
      dhcp,
      dnsmasqOptions: reader.read('DNSMASQ_OPTS', value.parseWords, []),
      dnsServers: reader.read('DNS_SERVERS', value.parseAddresses, []),
      bridge: reader.read('BRIDGE_IF', value.parseInterface, undefined),
      ports: reader.read('PORTS', value.parsePorts, exposed),
      cidr: reader.read('CIDR', value.parseCidr, '192.168.100'),
    },
  };
}

const BBVA: readonly SettingName[] = [
  'AUTO_ATTACH',
  'ATTACH_IFACES',
  'SELECTED_NETWORK',
  'USE_NET_BRIDGES',
  'ENABLE_DHCP',
  'DNSMASQ_OPTS',
  'DNS_SERVERS',
];

/** Undefined: NETWORK_MODE is none of its words. */
function readAsk(reader: Reader, bridges: boolean): NetworkAsk | undefined {
  const asked = reader.read('NETWORK_MODE', parseAsk, undefined);
  if (asked !== undefined || reader.text('NETWORK_MODE') !== undefined) return asked;
  if (reader.text('BRIDGE_IF') !== undefined) return { kind: 'all', mode: 'host-bridge', by: 'BRIDGE_IF' };
  if (reader.text('NO_DHCP') !== undefined) return { kind: 'all', mode: 'bridge', by: 'NO_DHCP' };
  const [by] = BBVA.filter((name) => reader.text(name) !== undefined);
  if (by === undefined) return { kind: 'auto' };
  return bridges ? { kind: 'all', mode: 'bridge', by: 'USE_NET_BRIDGES' } : { kind: 'all', mode: 'macvtap', by };
}

/** The guest is on a network of our own, where nobody else answers it; `auto` is one of them. */
const OWN_NETWORK: readonly ModeName[] = ['nat', 'passt', 'user'];

/** Without our DHCP a guest of those modes would have no address at all, so that both cannot be meant. */
function requireOtherDhcp(reader: Reader, ask: NetworkAsk | undefined): void {
  const modes =
    ask?.kind === 'all' ? [ask.mode] : ask?.kind === 'each' ? ask.modes.map(({ mode }) => mode) : OWN_NETWORK;
  if (ask === undefined || !modes.every((mode) => OWN_NETWORK.includes(mode))) return;
  const setting = reader.text('NO_DHCP') === undefined ? 'ENABLE_DHCP' : 'NO_DHCP';
  reader.problem(
    setting,
    `with NETWORK_MODE=${reader.text('NETWORK_MODE')} no other DHCP server reaches the guest, which would have no address; unset ${setting}, or set NETWORK_MODE to bridge or macvtap`,
  );
}

/** `auto`, a mode, or one a NIC: `eth0=macvtap eth1=nat`. */
function parseAsk(text: string): NetworkAsk | undefined {
  const words = text.trim().split(/[\s,]+/);
  if (words.length === 1 && !text.includes('=')) {
    const [word = ''] = words;
    if (word.toLowerCase() === 'auto') return { kind: 'auto' };
    const mode = modeNamed(word);
    return mode && { kind: 'all', mode, by: 'NETWORK_MODE' };
  }
  const modes = words.flatMap((word) => {
    const [link = '', name = '', ...rest] = word.split('=');
    const mode = modeNamed(name);
    return mode && rest.length === 0 && value.parseInterface(link) !== undefined ? [{ link, mode }] : [];
  });
  const once = new Set(modes.map(({ link }) => link)).size === words.length;
  return once && modes.length === words.length ? { kind: 'each', modes } : undefined;
}

function modeNamed(word: string): ModeName | undefined {
  return MODE_NAMES.find((name) => name === word.toLowerCase());
}
